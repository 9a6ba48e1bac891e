"""Reads dynos from the tasks of a Swarm.

A slot of a service has one wanted task, and earlier ones that crashed. Each task is a value here.
The states are https://docs.docker.com/engine/swarm/how-swarm-mode-works/swarm-task-states/.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from skypanel.domain.limits import MIB
from skypanel.domain.log import moment
from skypanel.domain.manifest import WEB, Dyno, DynoKey, DynoState
from skypanel.drivers.docker.api import Json
from skypanel.drivers.swarm.spec import DISK, PORT, key_of

KILLED = 137  # 128 and SIGKILL
OUT_OF_MEMORY = 249  # `dyno.sh` exits with it after the OOM killer ended a process
FULL = 250  # the guard ends a dyno with it if the disk is full
BIND = "Bind to 0.0.0.0 and the port in $PORT"
ELSEWHERE = f"listens on an address that the proxy cannot reach. {BIND}"
# The exit statuses of `health.sh` for an app that does not answer.
_UNHEALTHY = {
    251: f"did not listen on $PORT in time. {BIND}",
    252: ELSEWHERE,
    253: "never became healthy: it answered its health check with a server error",
}
# Tasks that ended by themselves; DEAD also has those that were stopped.
_CRASHED = frozenset({"complete", "failed", "rejected", "orphaned"})
DEAD = _CRASHED | {"shutdown", "remove"}
_WANTED = frozenset({"ready", "running"})


@dataclass(frozen=True)
class Task:
    """A task. `error` is Swarm's own message about it, `address` its address in the organization's network."""

    id: str
    service_id: str
    key: DynoKey
    member_id: str
    state: str
    is_wanted: bool
    waits: bool
    created: datetime
    since: datetime
    error: str
    exit_code: int | None
    memory_bytes: int
    disk_bytes: int
    address: str | None
    container_id: str | None

    @property
    def is_dead(self) -> bool:
        """Whether all its processes have ended."""
        return self.state in DEAD

    @property
    def has_crashed(self) -> bool:
        """Whether it ended without being stopped."""
        return self.state in _CRASHED


@dataclass(frozen=True)
class Slot:
    """A dyno with its current task, and earlier tasks that crashed."""

    dyno: Dyno
    task: Task
    crashed: tuple[Task, ...] = ()


def read(found: Iterable[Json]) -> list[Task]:
    """Return the tasks of dynos in a list of Docker's. Others are skipped."""
    return [task for each in found if (task := _read(each))]


def _read(found: Json) -> Task | None:
    status, template = found["Status"], found["Spec"]
    container = template.get("ContainerSpec") or {}
    try:
        key = key_of(container.get("Labels") or {}, found["Slot"])
    except (KeyError, ValueError):
        return None
    reported = status.get("ContainerStatus") or {}
    return Task(
        id=found["ID"],
        service_id=found["ServiceID"],
        key=key,
        member_id=found.get("NodeID", ""),
        state=status["State"],
        is_wanted=found["DesiredState"] in _WANTED,
        waits=found["DesiredState"] == "ready",
        created=moment(found["CreatedAt"]),
        since=moment(status["Timestamp"]),
        error=status.get("Err", ""),
        exit_code=reported.get("ExitCode") if status["State"] in {"failed", "complete"} else None,
        memory_bytes=template["Resources"]["Limits"]["MemoryBytes"],
        disk_bytes=int(container["Labels"].get(DISK, 0)),
        address=_address(found),
        container_id=reported.get("ContainerID") or None,
    )


def _address(found: Json) -> str | None:
    addresses = (address for attachment in found.get("NetworksAttachments") or () for address in attachment.get("Addresses") or ())
    return next((address.partition("/")[0] for address in addresses), None)


def slots(tasks: Sequence[Task]) -> list[Slot]:
    """Return the dynos of some services. Wanted dynos are numbered from 1 for each service.

    When a service shrinks, Swarm chooses which slots it stops. So the remaining slots may have other numbers than the dynos.
    """
    by_service: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        by_service[task.service_id].append(task)
    return [slot for each in by_service.values() for slot in _of_service(each)]


def _of_service(tasks: Sequence[Task]) -> list[Slot]:
    by_slot: dict[int, list[Task]] = defaultdict(list)
    for task in sorted(tasks, key=lambda task: task.created):
        by_slot[task.key.index].append(task)
    found: list[Slot] = []
    index = 0
    for _, history in sorted(by_slot.items()):
        wanted = [task for task in history if task.is_wanted]
        crashed = tuple(task for task in history if task.has_crashed and not task.is_wanted)
        if wanted:
            index += 1
            found.append(_live(wanted[-1], crashed, index))
        found += [Slot(_stopping(task), task) for task in history if not task.is_wanted and not task.is_dead]
    return found


def _live(task: Task, crashed: tuple[Task, ...], index: int) -> Slot:
    last = task if task.is_dead else crashed[-1] if crashed else None
    key = DynoKey(task.key.app_id, task.key.version, task.key.generation, task.key.process_type, index)
    dyno = Dyno(key, _state(task), task.since, endpoint(task), len(crashed), reason(last) if last else None)
    return Slot(dyno, task, crashed)


def _stopping(task: Task) -> Dyno:
    return Dyno(task.key, DynoState.STOPPING, task.since, endpoint(task))


def _state(task: Task) -> DynoState:
    if task.is_dead or task.waits:
        return DynoState.CRASHED
    return DynoState.UP if task.state == "running" else DynoState.STARTING


def endpoint(task: Task) -> str | None:
    """Return the address and port at which the ingress reaches a web dyno, or None."""
    return f"{task.address}:{PORT}" if task.key.process_type == WEB and task.address else None


def reason(task: Task) -> str:
    """Return how a task ended, as a sentence without its subject, the dyno's name."""
    if "No such image" in task.error:
        return "did not start: its slug is not on the node that was to run it"
    if "unhealthy" in task.error:
        return "was stopped: its health checks failed"
    too_much_memory = f"used more than {task.memory_bytes // MIB} MiB of memory"
    overruns = {
        KILLED: too_much_memory,
        OUT_OF_MEMORY: too_much_memory,
        FULL: f"wrote more than {task.disk_bytes // MIB} MiB to disk",
    }
    if task.exit_code in overruns:
        return f"was stopped: it {overruns[task.exit_code]}"
    if task.exit_code in _UNHEALTHY:
        return _UNHEALTHY[task.exit_code]
    if task.exit_code is not None:
        return f"exited with status {task.exit_code}"
    return f"did not start: {task.error or 'its node is gone'}"


def by_key(found: Iterable[Slot]) -> Mapping[DynoKey, Slot]:
    """Return the wanted dynos by key, without those that are stopping."""
    return {slot.dyno.key: slot for slot in found if slot.dyno.state is not DynoState.STOPPING}
