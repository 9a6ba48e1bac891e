"""A manifest as values for a Swarm: one service for each process type.

The formats are https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Service. Services are named
by app id, release and generation, so that two releases can run at the same time.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from skypanel.domain.engine import EndpointMode
from skypanel.domain.errors import Invalid
from skypanel.domain.health import MAX_INTERVAL_S
from skypanel.domain.ids import AppId, OrganizationId
from skypanel.domain.limits import Limits
from skypanel.domain.manifest import BOOT_TIMEOUT_S, STOP_GRACE_S, WEB, DynoKey, Manifest, Process
from skypanel.drivers.docker.api import PANEL, Json
from skypanel.drivers.docker.seccomp import docker_profile
from skypanel.host.dyno import FOLDER
from skypanel.host.environment import boot, dyno_environment
from skypanel.host.layers import UID

PORT = 5000
SECOND = 1_000_000_000  # Docker counts nanoseconds
# How long a stopping dyno keeps serving: longer than any proxy takes to notice.
LINGER_S = 2
# How long a web dyno may take to answer: its error must come before the rollout's timeout.
BOOT_S = BOOT_TIMEOUT_S - 5
SPREAD = "node.labels.skypanel.zone"
MAX_SECRET_BYTES = 500_000  # Swarm's limit is 500 KB

LOG_DRIVER = "json-file"
LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}

ORGANIZATION = "skypanel.organization"
APP = "skypanel.app"
VERSION = "skypanel.version"
GENERATION = "skypanel.generation"
PROCESS_TYPE = "skypanel.process-type"
SLUG = "skypanel.slug"
DISK = "skypanel.disk"

SECRET_FILE = "skypanel"  # noqa: S105 - a file's name
_SECRET = f"/run/secrets/{SECRET_FILE}"
_HEALTH_SLACK_S = 60
_KILL_SLACK_S = 2


@dataclass(frozen=True)
class Place:
    """Where a service runs: its panel, and Docker's ids of its network, image and secret."""

    panel: str
    network_id: str
    image_id: str
    secret_id: str
    endpoint_mode: EndpointMode = EndpointMode.VIP
    forbids_privileges: bool = False
    filters_calls: bool = False
    stop_grace_s: float = STOP_GRACE_S
    boot_s: float = BOOT_S


def service_name(manifest: Manifest, process_type: str) -> str:
    """Return a service's name. The process type is hashed, because it may end in characters that a name must not end in."""
    return f"{secret_name(manifest)}-{hashlib.sha256(process_type.encode()).hexdigest()[:8]}"


def secret_name(manifest: Manifest) -> str:
    """Return the name of the secret with a release's config vars, which is also the prefix of its services' names."""
    return f"app-{manifest.app_id.hex}-{manifest.version}-{manifest.generation}"


def network_name(organization_id: OrganizationId) -> str:
    """Return the name of an organization's network."""
    return f"org-{organization_id.hex}"


def network_labels(panel: str, organization_id: OrganizationId) -> dict[str, str]:
    """Return the labels of an organization's network."""
    return {PANEL: panel, ORGANIZATION: str(organization_id)}


def own_labels(panel: str, app_id: AppId | None = None) -> dict[str, str]:
    """Return the labels that all objects of a panel, or of one of its apps, have."""
    return {PANEL: panel} if app_id is None else {PANEL: panel, APP: str(app_id)}


def release_labels(panel: str, manifest: Manifest) -> dict[str, str]:
    """Return the labels that all objects of one release have."""
    return {
        PANEL: panel,
        ORGANIZATION: str(manifest.organization_id),
        APP: str(manifest.app_id),
        VERSION: str(manifest.version),
        GENERATION: str(manifest.generation),
        DISK: str(manifest.limits.disk_bytes),
    }


def service_labels(panel: str, manifest: Manifest, process_type: str) -> dict[str, str]:
    """Return the labels of a service and its containers."""
    return {**release_labels(panel, manifest), PROCESS_TYPE: process_type, SLUG: manifest.slug_digest}


def organization_of(labels: Mapping[str, str]) -> OrganizationId:
    """Return the organization that owns a service, a task or a network, by its labels."""
    return OrganizationId(UUID(labels[ORGANIZATION]))


def key_of(labels: Mapping[str, str], index: int) -> DynoKey:
    """Return the dyno of a task, by its labels. Raises KeyError or ValueError if it is not a panel's."""
    return DynoKey(AppId(UUID(labels[APP])), int(labels[VERSION]), int(labels[GENERATION]), labels[PROCESS_TYPE], index)


def secret_body(manifest: Manifest) -> bytes:
    """Return the input of `enter.py`: the environment, and the settings of the health check. Raises Invalid if it is too large."""
    contents = {
        "environment": dyno_environment(manifest.config_vars, "", PORT),
        "health": {"path": manifest.health.path, "interval_s": manifest.health.interval_s},
    }
    body = json.dumps(contents).encode()
    if len(body) > MAX_SECRET_BYTES:
        raise Invalid(
            f"The config vars are {len(body) // 1000} KB together; the limit on a Swarm is {MAX_SECRET_BYTES // 1000} KB.",
            "Keep large values in a file of the app or in its database.",
        )
    return body


def command(process_command: str, source: str, linger_s: float, grace_s: float = STOP_GRACE_S) -> list[str]:
    """Return the argv in a container. `source` is where it finds its environment."""
    # Longer than Swarm's own grace period: if Swarm stops the dyno, Swarm kills it.
    kill_s = grace_s + _KILL_SLACK_S
    return ["bash", f"/{FOLDER}/dyno.sh", f"{linger_s:g}", f"{kill_s:g}", source, *boot(process_command)]


def own_environment(name: str) -> list[str]:
    """Return the variables in a container's spec. They contain no secrets."""
    return [f"PORT={PORT}", f"DYNO={name}", f"PS={name}"]


def service_spec(manifest: Manifest, process: Process, place: Place) -> Json:
    """Return the service of a process type for `POST /services/create`."""
    labels = service_labels(place.panel, manifest, process.type)
    return {
        "Name": service_name(manifest, process.type),
        "Labels": labels,
        "TaskTemplate": {
            "ContainerSpec": _container(manifest, process, place, labels),
            "Resources": _resources(manifest.limits),
            "RestartPolicy": {"Condition": "any", "Delay": 2 * SECOND, "MaxAttempts": 0},
            "Placement": {"Preferences": [{"Spread": {"SpreadDescriptor": SPREAD}}]},
            "Networks": [{"Target": place.network_id}],
            "LogDriver": {"Name": LOG_DRIVER, "Options": LOG_OPTIONS},
        },
        "Mode": {"Replicated": {"Replicas": process.quantity}},
        "UpdateConfig": _update("start-first", "rollback"),
        "RollbackConfig": _update("start-first", "pause"),
        "EndpointSpec": {"Mode": place.endpoint_mode},
    }


def _container(manifest: Manifest, process: Process, place: Place, labels: Mapping[str, str]) -> Json:
    is_web = process.type == WEB
    return {
        "Image": place.image_id,
        "Labels": dict(labels),
        "Command": command(process.command, _SECRET, LINGER_S if is_web else 0, place.stop_grace_s),
        "Env": own_environment(f"{process.type}.{{{{.Task.Slot}}}}"),
        "Dir": "/app",
        "User": f"{UID}:{UID}",
        "Init": True,
        "CapabilityDrop": ["ALL"],
        **({"Privileges": privileges} if (privileges := _privileges(place)) else {}),
        "StopGracePeriod": int(place.stop_grace_s * SECOND),
        "Healthcheck": _health(place.boot_s) if is_web else {"Test": ["NONE"]},
        "Secrets": [
            {
                "SecretID": place.secret_id,
                "SecretName": secret_name(manifest),
                "File": {"Name": SECRET_FILE, "UID": str(UID), "GID": str(UID), "Mode": 0o400},
            }
        ],
    }


def _privileges(place: Place) -> Json:
    """Return the restrictions of privileges that this version of the daemon supports."""
    calls = {"Mode": "custom", "Profile": base64.b64encode(docker_profile().encode()).decode()}
    return {
        **({"NoNewPrivileges": True} if place.forbids_privileges else {}),
        **({"Seccomp": calls} if place.filters_calls else {}),
    }


def _health(boot_s: float) -> Json:
    """Return the health check, which is the same for all apps. The script reads the path and interval, and waits and counts itself."""
    return {
        "Test": ["CMD", "bash", f"/{FOLDER}/health.sh", f"{boot_s:.0f}"],
        "Interval": SECOND // 10,
        "Timeout": (MAX_INTERVAL_S + _HEALTH_SLACK_S) * SECOND,
        "StartPeriod": int((boot_s + _HEALTH_SLACK_S) * SECOND),
        "Retries": 1,
    }


def _resources(limits: Limits) -> Json:
    cpus = int(limits.cpu_cores * SECOND)
    return {
        "Limits": {"NanoCPUs": cpus, "MemoryBytes": limits.memory_bytes, "Pids": limits.pids},
        "Reservations": {"NanoCPUs": cpus // 2, "MemoryBytes": limits.memory_bytes // 2},
    }


def _update(order: str, on_failure: str) -> Json:
    return {"Parallelism": 1, "Order": order, "FailureAction": on_failure, "Monitor": 10 * SECOND, "MaxFailureRatio": 0}
