import resource
from dataclasses import replace
from pathlib import Path

import pytest

from skypanel.domain.limits import GIB
from skypanel.embedded import doctor, packages
from skypanel.embedded.finding import Finding
from skypanel.embedded.machine import HostFeatures, as_found, filesystems
from skypanel.embedded.open_files import CONNECTIONS, WANTED, connections, raise_limit

WELL = HostFeatures(
    is_root=True,
    has_user_namespaces=True,
    apparmor_restricts_namespaces=False,
    filesystems=frozenset({"ext4", "overlay"}),
    has_loop_devices=True,
    has_nftables=True,
    has_cgroups=True,
    has_tunnels=True,
    closes_namespaces=True,
    has_resolvers=True,
    filters_calls=True,
    open_files=WANTED,
)


def names(machine, *, warnings):
    return [finding.name for finding in doctor.kernel_findings(machine) if finding.is_warning == warnings]


def test_a_good_machine_has_no_findings():
    assert doctor.kernel_findings(WELL) == ()
    assert doctor.report(()) == "All is well."


@pytest.mark.parametrize(
    ("lack", "name", "is_warning"),
    [
        ({"filesystems": frozenset()}, "overlay", False),
        ({"has_nftables": False}, "nftables", False),
        ({"filters_calls": False}, "system calls", False),
        ({"has_loop_devices": False}, "loop devices", True),
        ({"has_cgroups": False}, "control groups", True),
        ({"closes_namespaces": False}, "nested namespaces", True),
        ({"has_resolvers": False}, "name servers", True),
        ({"open_files": WANTED - 1}, "open files", True),
        ({"is_root": False, "has_user_namespaces": False}, "user namespaces", False),
        ({"is_root": False, "has_tunnels": False}, "/dev/net/tun", False),
        ({"is_root": False, "apparmor_restricts_namespaces": True}, "AppArmor", False),
    ],
)
def test_what_is_lacking_is_named(lack, name, is_warning):
    assert name in names(replace(WELL, **lack), warnings=is_warning)


def test_the_limit_of_open_files_is_raised_as_far_as_may_be_for_those_who_take_it():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    raised = raise_limit()
    assert raised in {hard, WANTED}
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, raised)
    assert raise_limit() == raised


@pytest.mark.parametrize(("files", "expected"), [(1, 1), (100, 45), (1024, 461), (20_000, 9500), (WANTED, CONNECTIONS)])
def test_a_connection_takes_two_files_and_some_stay_for_the_rest(files, expected):
    assert connections(files) == expected


def test_root_needs_no_user_namespaces():
    assert doctor.kernel_findings(replace(WELL, has_user_namespaces=False, apparmor_restricts_namespaces=True)) == ()


def test_each_limit_that_is_missing_without_root_is_named():
    assert names(replace(WELL, is_root=False), warnings=True) == [
        "not root: memory, processor and number of processes",
        "not root: disk",
        "not root: connections",
        "not root: users",
    ]


@pytest.mark.parametrize(
    ("lack", "name"),
    [
        ({"cgroups": False}, "control groups"),
        ({"loop_devices": False}, "loop devices"),
        ({"disable_userns": False}, "nested namespaces"),
        ({"resolvers": []}, "name servers"),
    ],
)
def test_what_a_launcher_found_counts_more_than_a_look(lack, name):
    features = {"root": True, "cgroups": True, "loop_devices": True, "disable_userns": True, "resolvers": ["192.0.2.53"]}
    bare = replace(WELL, has_cgroups=False, has_loop_devices=False, closes_namespaces=False, has_resolvers=False)
    assert names(as_found(bare, features), warnings=True) == []
    assert names(as_found(WELL, {**features, **lack}), warnings=True) == [name]


def test_what_is_wrong_comes_before_warnings_with_what_to_do():
    text = doctor.report([Finding("a", "Less.", "Do more.", is_warning=True), Finding("b", "Bad.", "Mend it.")])
    assert text.splitlines() == ["wrong    b: Bad.", "         Mend it.", "warning  a: Less.", "         Do more."]


def test_a_missing_program_names_its_package():
    lacking = packages.missing_programs(lambda command: None if command in {"bwrap", "slirp4netns"} else f"/usr/bin/{command}")
    assert [finding.remedy for finding in doctor.program_findings(lacking, is_root=True)] == ["sudo apt-get install bubblewrap"]
    assert len(doctor.program_findings(lacking, is_root=False)) == 2


def test_a_full_disk_is_a_warning():
    assert doctor.disk_findings(Path("/home"), 100 * GIB) == ()
    (finding,) = doctor.disk_findings(Path("/home"), GIB)
    assert finding.is_warning
    assert "Only 1.0G are free" in finding.wrong


def test_packages_are_named_once_and_tools_when_asked_for():
    def nothing(command):
        return None

    assert packages.missing_packages(nothing).count("openssh-client") == 1
    assert "shellcheck" not in packages.missing_packages(nothing)
    assert "shellcheck" in packages.missing_packages(nothing, tools=["shellcheck"])
    assert packages.missing_packages(lambda command: command) == ()


def test_reads_the_kernels_file_systems():
    assert filesystems("nodev\tsysfs\nnodev\toverlay\n\text4\n") == {"sysfs", "overlay", "ext4"}
