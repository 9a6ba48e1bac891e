"""Services as values."""

import base64
import json
from dataclasses import replace
from uuid import UUID

import pytest

from skypanel.domain.errors import Invalid
from skypanel.domain.health import HealthCheck
from skypanel.domain.limits import MIB, Limits
from skypanel.domain.manifest import Manifest, Process
from skypanel.drivers.docker.seccomp import docker_profile
from skypanel.drivers.swarm import spec as swarm_spec
from skypanel.drivers.swarm.spec import Place, key_of, secret_body, service_labels, service_name, service_spec

APP = UUID(int=10)
SECRET = "canary-value"
MANIFEST = Manifest(
    app_id=APP, app_number=1, app_name="hello", organization_id=UUID(int=20), release_id=UUID(int=30), version=7, generation=3,
    slug_digest="d" * 64, processes=(Process("web", "python app.py", 2), Process("worker", "python work.py", 1)),
    limits=Limits(1.0, 512 * MIB, 512, 2048 * MIB), config_vars={"KEY": SECRET}, health=HealthCheck("/ping", 5),
)  # fmt: skip
WEB, WORKER = MANIFEST.processes
PLACE = Place("panel", "net1", "sha256:abc", "secret1")


def test_a_service_is_named_by_app_release_and_generation_and_never_by_the_apps_name():
    name = service_name(MANIFEST, "web")
    assert name.startswith("app-0000000000000000000000000000000a-7-3-")
    assert len(name) <= 63
    others = [service_name(MANIFEST, "web_"), service_name(replace(MANIFEST, version=8), "web")]
    assert len({name, *others}) == 3
    assert "hello" not in json.dumps(service_spec(MANIFEST, WEB, PLACE))


def test_labels_say_which_dyno_a_task_is():
    labels = service_labels("panel", MANIFEST, "worker")
    key = key_of(labels, 2)
    assert (key.app_id, key.version, key.generation, key.name) == (APP, 7, 3, "worker.2")
    spec = service_spec(MANIFEST, WORKER, PLACE)
    assert spec["Labels"] == spec["TaskTemplate"]["ContainerSpec"]["Labels"] == labels


def test_a_template_holds_the_plans_limits_and_nothing_secret():
    spec = service_spec(MANIFEST, WEB, PLACE)
    template = spec["TaskTemplate"]
    assert template["Resources"] == {
        "Limits": {"NanoCPUs": 10**9, "MemoryBytes": 512 * MIB, "Pids": 512},
        "Reservations": {"NanoCPUs": 5 * 10**8, "MemoryBytes": 256 * MIB},
    }
    assert spec["Mode"] == {"Replicated": {"Replicas": 2}}
    assert (spec["UpdateConfig"]["Order"], spec["UpdateConfig"]["FailureAction"]) == ("start-first", "rollback")
    container = template["ContainerSpec"]
    assert (container["User"], container["Init"], container["CapabilityDrop"], container["StopGracePeriod"]) == (
        "1000:1000", True, ["ALL"], 30 * 10**9,
    )  # fmt: skip
    assert container["Env"] == ["PORT=5000", "DYNO=web.{{.Task.Slot}}", "PS=web.{{.Task.Slot}}"]
    assert template["Networks"] == [{"Target": "net1"}]
    assert "Privileges" not in container
    assert SECRET not in json.dumps(spec)
    assert "python app.py" in container["Command"]


def test_the_health_check_is_the_same_for_every_app_and_workers_have_none():
    checks = [
        service_spec(replace(MANIFEST, health=health), WEB, PLACE)["TaskTemplate"]["ContainerSpec"]["Healthcheck"]
        for health in (HealthCheck(), HealthCheck("/ping", 5))
    ]
    assert checks[0] == checks[1]
    assert service_spec(MANIFEST, WORKER, PLACE)["TaskTemplate"]["ContainerSpec"]["Healthcheck"] == {"Test": ["NONE"]}


def test_a_newer_daemon_is_asked_to_let_nobody_gain_privileges():
    container = service_spec(MANIFEST, WEB, replace(PLACE, forbids_privileges=True))["TaskTemplate"]["ContainerSpec"]
    assert container["Privileges"] == {"NoNewPrivileges": True}


def test_a_still_newer_daemon_is_given_the_filter_of_system_calls():
    container = service_spec(MANIFEST, WEB, replace(PLACE, filters_calls=True))["TaskTemplate"]["ContainerSpec"]
    told = container["Privileges"]["Seccomp"]
    assert told["Mode"] == "custom"
    assert base64.b64decode(told["Profile"]).decode() == docker_profile()


def test_the_secret_tells_the_environment_and_the_health_check():
    told = json.loads(secret_body(replace(MANIFEST, config_vars={"KEY": SECRET, "PATH": "/bin", "HOME": "/x"})))
    assert told["health"] == {"path": "/ping", "interval_s": 5}
    assert told["environment"] | {"KEY": SECRET, "PATH": "/bin", "HOME": "/app", "PORT": "5000"} == told["environment"]


def test_config_vars_that_a_swarm_cannot_keep_are_refused():
    with pytest.raises(Invalid, match="are 520 KB together"):
        secret_body(replace(MANIFEST, config_vars={f"KEY_{number}": "x" * 65_000 for number in range(8)}))
    assert swarm_spec.MAX_SECRET_BYTES < 512_000
