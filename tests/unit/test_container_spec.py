"""What Docker is told to make of a build."""

from dataclasses import replace
from uuid import UUID

import pytest

from skypanel.domain.limits import MIB, Limits
from skypanel.drivers.docker import spec as container_spec
from skypanel.drivers.docker.guard import DiskUsage, parse
from skypanel.drivers.docker.spec import Place
from skypanel.host.allowed import parse_allowed
from skypanel.host.firewall import own_ruleset
from skypanel.host.overrun import Overrun
from skypanel.ports.builder import Step

LIMITS = Limits(cpu_cores=1.5, memory_bytes=256 * MIB, pids=64, disk_bytes=64 * MIB, timeout_s=60, cache_bytes=16 * MIB)
APP = UUID(int=7)
PLACE = Place("abc", APP, "skypanel/build:1", LIMITS, certificates=False, panel="p1")
STEP = Step(("tar", "-x"), {"PATH": "/usr/bin", "HOME": "/app", "A": "1\n2"})


def mounts(spec):
    return {each["Target"]: each for each in spec["HostConfig"]["Mounts"]}


@pytest.fixture(params=["step", "guard"])
def spec(request):
    return container_spec.step(PLACE, STEP, merged=True) if request.param == "step" else container_spec.guard(PLACE, "rules")


def test_nothing_of_the_machine_is_in_a_container(spec):
    assert {each["Type"] for each in spec["HostConfig"]["Mounts"]} == {"volume"}
    assert not {"Binds", "Devices", "PidMode", "IpcMode", "UsernsMode", "Privileged"} & set(spec["HostConfig"])


def test_every_container_is_confined(spec):
    host = spec["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"][0] == "no-new-privileges"
    assert host["ReadonlyRootfs"] is True
    assert host["LogConfig"] == {"Type": "none"}
    assert spec["Labels"]["skypanel.workspace"] == "abc"


def test_a_step_has_the_limits_and_no_rights():
    spec = container_spec.step(PLACE, STEP, merged=False)
    host = spec["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"], host["NanoCpus"]) == (256 * MIB, 256 * MIB, 64, 1_500_000_000)
    assert spec["User"] == "1000:1000"
    assert "CapAdd" not in host
    assert host["SecurityOpt"][1].startswith('seccomp={"defaultAction": "SCMP_ACT_ERRNO"')
    assert spec["Cmd"] == ["tar", "-x"]
    assert spec["Env"] == ["PATH=/usr/bin", "HOME=/app", "A=1\n2", "PWD=/app"]
    assert spec["Entrypoint"][:4] == ["/usr/bin/tini", "--", "/bin/sh", "-c"]
    assert spec["Entrypoint"][5:] == ["sh", "env", "-u", "HOSTNAME", "--"]


def test_a_step_has_a_network_only_where_it_asks_for_one():
    assert container_spec.step(PLACE, STEP, merged=False)["HostConfig"]["NetworkMode"] == "none"
    online = container_spec.step(PLACE, replace(STEP, network=True), merged=False)
    assert online["HostConfig"]["NetworkMode"] == f"container:{PLACE.guard}"


def test_a_step_writes_to_its_own_folders_and_the_apps_cache():
    found = mounts(container_spec.step(replace(PLACE, certificates=True), STEP, merged=False))
    assert {target for target, each in found.items() if each["ReadOnly"]} == {"/buildpacks", "/etc/ssl/certs"}
    assert {target for target, each in found.items() if not each["ReadOnly"]} == {"/app", "/env", "/tmp", "/cache"}
    assert found["/cache"]["Source"] == f"skypanel-cache-{APP}"
    assert found["/app"]["Source"] == f"{PLACE.guard}-app"


def test_the_guard_makes_the_volumes_with_labels_by_which_they_are_found():
    labels = {target: each["VolumeOptions"]["Labels"] for target, each in mounts(container_spec.guard(PLACE, "")).items()}
    assert labels.pop("/cache") == {"skypanel.cache": str(APP), "skypanel.panel": "p1"}
    assert all(each == {"skypanel.workspace": "abc"} for each in labels.values())
    assert set(labels) == {"/app", "/env", "/tmp", "/buildpacks"}


def test_the_rules_let_out_what_is_allowed_before_they_refuse():
    rules = own_ruleset(["10.0.0.53"], [parse_allowed("10.1.0.0/16:5432")], ["203.0.113.9"])
    output = rules.partition("chain output")[2]
    resolver, database, refused = map(
        output.index, ("ip daddr 10.0.0.53 udp dport 53 accept", "ip daddr 10.1.0.0/16 tcp dport 5432 accept", "@blocked")
    )
    assert max(resolver, database) < refused
    assert "203.0.113.9" in rules
    assert "169.254.0.0/16" in rules


@pytest.mark.parametrize("line", ["", "1 2 3", "1 2 3 x", "du: no"])
def test_a_measurement_that_failed_counts_for_nothing(line):
    assert parse(line) is None


@pytest.mark.parametrize(
    ("usage", "over"),
    [
        (DiskUsage(0, 64 * MIB, 10, 80 * MIB), None),
        (DiskUsage(0, 64 * MIB + 1, 10, 0), Overrun.DISK),
        (DiskUsage(0, 1, 64 * MIB // 8192 + 1, 0), Overrun.DISK),
        (DiskUsage(0, 1, 1, 80 * MIB + 1), Overrun.CACHE),
    ],
)
def test_bytes_files_and_the_cache_have_a_bound(usage, over):
    assert usage.over(LIMITS) is over


def test_figures_are_read():
    assert parse("3 4096 7 12288") == DiskUsage(3, 4096, 7, 12288)
