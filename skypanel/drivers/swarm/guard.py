"""The guard of a panel's dynos: a service with one task on every node, with privileges that dynos lack.

It filters two bridges, those through which dynos and the ingress could leave their networks, and ends dynos whose disk is full.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import AddressValueError, IPv4Address

from docker import APIClient

from skypanel.domain.engine import EndpointMode
from skypanel.domain.errors import Conflict, NotFound, Unavailable
from skypanel.domain.limits import MIB
from skypanel.drivers.docker.api import DockerApi, Json
from skypanel.drivers.docker.images import stack_image
from skypanel.drivers.swarm import ingress
from skypanel.drivers.swarm.node import program
from skypanel.drivers.swarm.spec import SECOND
from skypanel.host.allowed import Allowed
from skypanel.host.firewall import bridge_ruleset, table_name

BRIDGE = "docker_gwbridge"
GUARD = "skypanel.node-guard"
FINGERPRINT = "skypanel.fingerprint"
SOCKET = "/var/run/docker.sock"
READY_S = 60.0
POLL_S = 0.1
_MEMORY_BYTES = 64 * MIB
_PIDS = 32
_CHECK_S = 2 * 3600


class SwarmGuard:
    """The guard service of a panel. `image` is a stack image; dynos reach the private addresses in `allowed`."""

    def __init__(self, docker: DockerApi, panel: str, image: str, allowed: Sequence[Allowed]) -> None:
        self._docker = docker
        self._panel = panel
        self._image = image
        self._allowed = tuple(allowed)

    async def ensure(self, timeout_s: float = READY_S) -> None:
        """Wait until the guard runs on every node that may get dynos. Raises Unavailable."""
        members = addresses(await self._docker.call(lambda client: client.nodes()))
        spec = service(self._panel, str((await stack_image(self._docker, self._image))["Id"]), self._allowed, members)
        with suppress(Conflict):  # another process of the panel made the same change first
            await self._docker.call(lambda client: _create_or_update(client, spec))
        waiting: Mapping[str, str] = {}
        try:
            async with asyncio.timeout(timeout_s):
                while waiting := await self._docker.call(lambda client: _unguarded(client, spec)):  # noqa: ASYNC110 - Swarm has no event
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            names = " and ".join(f"{name} ({why})" if why else name for name, why in sorted(waiting.items()))
            hint = f"See `docker service logs {_name(self._panel)}`; fix the problem, or drain the node."
            raise Unavailable(f"The network of dynos could not be isolated on {names}.", hint) from error

    async def remove(self) -> None:
        """Remove the service. Its rules stay until the nodes restart. A missing service is no error."""
        with suppress(NotFound):
            await self._docker.call(lambda client: client.remove_service(_name(self._panel)))


def addresses(nodes: Sequence[Json]) -> list[str]:
    """Return the IPv4 addresses of a Swarm's members. A dyno that reaches them could forge packets of the overlay networks."""
    reported = [node["Status"].get("Addr", "") for node in nodes]
    reported += [node.get("ManagerStatus", {}).get("Addr", "").rpartition(":")[0] for node in nodes]
    return sorted({address for address in reported if _is_specified(address)})


def _is_specified(text: str) -> bool:
    try:
        return not IPv4Address(text).is_unspecified
    except AddressValueError:
        return False


def service(panel: str, image_id: str, allowed: Sequence[Allowed], members: Sequence[str] = ()) -> Json:
    """Return the service for `POST /services/create`. Dynos cannot reach the addresses in `members`."""
    argv = ["python3", "-I", "-S", "-c", program()]
    template = {
        "ContainerSpec": {
            "Image": image_id,
            "Command": argv,
            "Env": [
                f"RULES={bridge_ruleset(panel, BRIDGE, ingress.bridge(panel), allowed, members)}",
                f"TABLE={table_name(panel)}",
                f"PANEL={panel}",
            ],
            "User": "0:0",
            "Dir": "/",
            "Init": True,
            "ReadOnly": True,
            "CapabilityDrop": ["ALL"],
            "CapabilityAdd": ["CAP_NET_ADMIN"],
            "Mounts": [{"Type": "bind", "Source": SOCKET, "Target": SOCKET}],
            "Healthcheck": {"Test": ["CMD", *argv, "check"], "Interval": SECOND // 10, "Timeout": _CHECK_S * SECOND, "Retries": 1},
        },
        "Resources": {"Limits": {"MemoryBytes": _MEMORY_BYTES, "Pids": _PIDS}},
        "RestartPolicy": {"Condition": "any", "Delay": SECOND, "MaxAttempts": 0},
        "Networks": [{"Target": "host"}],
        "LogDriver": {"Name": "json-file", "Options": {"max-size": "1m", "max-file": "1"}},
    }
    fingerprint = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()
    return {
        "Name": _name(panel),
        "Labels": {GUARD: panel, FINGERPRINT: fingerprint},
        "TaskTemplate": template,
        "Mode": {"Global": {}},
        "UpdateConfig": {"Parallelism": 0, "Order": "stop-first", "FailureAction": "continue"},
        "EndpointSpec": {"Mode": EndpointMode.DNSRR},
    }


def _name(panel: str) -> str:
    return f"skypanel-guard-{panel}"


def _create_or_update(client: APIClient, spec: Json) -> None:
    parts = {"labels": spec["Labels"], "mode": spec["Mode"], "update_config": spec["UpdateConfig"], "endpoint_spec": spec["EndpointSpec"]}
    named: list[Json] = client.services(filters={"name": spec["Name"]})
    found = [each for each in named if each["Spec"]["Name"] == spec["Name"]]
    if not found:
        client.create_service(spec["TaskTemplate"], name=spec["Name"], **parts)
    elif found[0]["Spec"]["Labels"].get(FINGERPRINT) != spec["Labels"][FINGERPRINT]:
        client.update_service(found[0]["ID"], found[0]["Version"]["Index"], task_template=spec["TaskTemplate"], name=spec["Name"], **parts)


def _unguarded(client: APIClient, spec: Json) -> dict[str, str]:
    """Return the hostnames of unguarded nodes that may get dynos, each with the last error, or "" if none is known."""
    wanted = spec["TaskTemplate"]["ContainerSpec"]
    tasks: list[Json] = client.tasks(filters={"service": spec["Name"]})
    own = [task for task in tasks if task["Spec"]["ContainerSpec"].get("Env") == wanted["Env"]]
    guarded = {task.get("NodeID") for task in own if task["Status"]["State"] == "running"}
    why = {task.get("NodeID"): task["Status"].get("Err", "") for task in sorted(own, key=lambda task: str(task["CreatedAt"]))}
    nodes: list[Json] = client.nodes()
    may_get_dynos = [each for each in nodes if each["Status"]["State"] == "ready" and each["Spec"].get("Availability") == "active"]
    return {each["Description"]["Hostname"]: why.get(each["ID"], "") for each in may_get_dynos if each["ID"] not in guarded}
