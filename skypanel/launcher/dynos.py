"""All dynos of a launcher."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.ids import AppId
from skypanel.domain.manifest import SHOWN_COMMAND, DynoKey, Exit
from skypanel.host.cancellation import complete_despite_cancel
from skypanel.host.listening import PortSnapshot
from skypanel.host.protocol import Message, Retire, RunOnce, SignalDyno, StartDyno, StopDyno, key_message
from skypanel.host.usage import Counters
from skypanel.launcher.dyno import Dyno
from skypanel.launcher.logs import LogFiles, Output
from skypanel.launcher.machine import SandboxHost
from skypanel.launcher.running import Streams
from skypanel.launcher.slugs import Slugs

# Requests that were on their way when the route was switched still need an answer.
LINGER_S = 1.0


class Dynos:
    """Starts, stops and lists dynos."""

    def __init__(self, machine: SandboxHost, slugs: Slugs, logs: LogFiles) -> None:
        self._machine = machine
        self._slugs = slugs
        self._logs = logs
        self._current: dict[DynoKey, Dyno] = {}
        # includes dynos that are stopping and whose name a new dyno already has
        self._tasks: dict[Dyno, asyncio.Task[None]] = {}

    def start(self, request: StartDyno) -> None:
        """Start a dyno unless it runs. If one of its name is stopping, start it after that one's end.

        Raises NotFound, CommandFailed, OSError.
        """
        before = self._current.get(request.key)
        if before is not None and not before.stopping:
            return
        dyno = self._new(request)
        self._tasks[dyno] = asyncio.create_task(self._keep(dyno, self._tasks.get(before) if before else None))

    async def run_once(self, request: RunOnce, streams: Streams | None) -> Exit | None:
        """Start a one-off dyno. With `streams`, wait for its end and return its exit; cancelling the call kills it.

        Raises Conflict, NotFound, CommandFailed, OSError.
        """
        name = request.dyno.key.name
        if any(dyno.request.key.name == name for dyno in self._of(request.dyno.key.app_id)):
            raise Conflict(f"There is a dyno {name} already.", "Try again.")
        dyno = self._new(request.dyno)
        dyno.once, dyno.streams, dyno.terminal = True, streams, request.terminal
        task = self._tasks[dyno] = asyncio.create_task(self._keep(dyno, None))
        if streams is None:
            return None
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            dyno.stop(0)
            await complete_despite_cancel(_ended(task))
            raise
        return dyno.exit

    def _new(self, request: StartDyno) -> Dyno:
        self._slugs.use(request.tenant, request.digest)
        slot = self._machine.network.take()
        dyno = Dyno(self._machine, request, slot, Output(self._logs.open(request.key.app_id, request.key.name)))
        self._current[request.key] = dyno
        return dyno

    def signal(self, request: SignalDyno) -> None:
        """Send a signal to a one-off dyno. Raises NotFound."""
        found = [dyno for dyno in self._of(request.app_id) if dyno.once and dyno.request.key.name == request.name]
        if not found:
            raise NotFound(f"There is no one-off dyno {request.name}.")
        for dyno in found:
            dyno.signal(request.number)

    async def _keep(self, dyno: Dyno, before: asyncio.Task[None] | None) -> None:
        """Supervise a dyno until it ends, then free its slot, log and slug. If `before` is given, wait for it first."""
        key, tenant = dyno.request.key, dyno.request.tenant
        try:
            if before is not None:
                await asyncio.wait({before})
            await dyno.supervise()
        finally:
            if self._current.get(key) is dyno:
                del self._current[key]
            del self._tasks[dyno]
            self._machine.network.give_back(dyno.slot)
            self._logs.close(key.app_id, key.name)
            await self._slugs.give_back(tenant, dyno.request.digest)

    async def retire(self, request: Retire) -> None:
        """Stop all dynos of an app except `keep` and one-off dynos. Then delete its slugs except `keep_digest`."""
        for dyno in self._of(request.app_id):
            if dyno.request.key not in request.keep and not dyno.once:
                dyno.stop(request.grace_s, LINGER_S)
        await self._slugs.keep_only(request.app_id, request.keep_digest)

    def renew(self, request: StopDyno) -> Sequence[str]:
        """Restart the dynos of an app that match a name, and return their names. One-off dynos only stop."""
        matching = [dyno for dyno in self._of(request.app_id) if dyno.request.key.is_called(request.name) and not dyno.stopping]
        for dyno in matching:
            if dyno.once:
                dyno.stop(request.grace_s)
            else:
                dyno.renew(request.grace_s)
        return sorted({dyno.request.key.name for dyno in matching})

    async def stop(self, app_id: AppId | None, grace_s: float) -> None:
        """Stop the dynos of an app, or of all apps for None, and wait until they have ended."""
        stopping = {dyno: task for dyno, task in self._tasks.items() if app_id in {None, dyno.request.key.app_id}}
        for dyno in stopping:
            dyno.stop(grace_s)
        if stopping:
            await asyncio.wait(stopping.values())

    def report(self, app_id: AppId | None, *, once: bool) -> Sequence[Message]:
        """Return the one-off dynos of an app (or of all apps), or the others, in order.

        One-off dynos carry their command only if an app is named: the commands of all apps might exceed one message.
        """
        dynos = sorted(self._of(app_id), key=lambda dyno: dyno.request.key)
        return [
            {**_dyno_message(dyno), "command": dyno.request.command[:SHOWN_COMMAND] if once and app_id else None}
            for dyno in dynos
            if dyno.once == once
        ]

    async def look(self, keys: Sequence[DynoKey]) -> Sequence[Message]:
        """Return what the dynos of `keys` do, in that order. Dynos that do not exist are left out. Raises OSError."""
        awaited = [dyno for key in keys if (dyno := self._current.get(key)) is not None]
        return [_look_message(dyno, await dyno.look()) for dyno in awaited]

    async def measure(self) -> Sequence[Message]:
        """Return the counters of the dynos that run, without one-off dynos. Of two with one name, the newer one counts."""
        running = sorted((dyno for dyno in self._of(None) if not dyno.once), key=lambda dyno: dyno.request.key)
        probes = {(str(dyno.request.key.app_id), dyno.request.key.name): probe for dyno in running if (probe := dyno.probe())}
        return await asyncio.to_thread(_measured, probes)

    def last_lines(self, key: DynoKey) -> Sequence[str]:
        """Return the last lines of a dyno's output; nothing if it does not exist."""
        dyno = self._current.get(key)
        return dyno.log.last() if dyno else ()

    def _of(self, app_id: AppId | None) -> list[Dyno]:
        return [dyno for key, dyno in self._current.items() if app_id in {None, key.app_id}]


def _measured(probes: Mapping[tuple[str, str], Callable[[], Counters]]) -> Sequence[Message]:
    return [
        {"app_id": app_id, "name": name, **asdict(counters)}
        for (app_id, name), probe in probes.items()
        for counters in _unless_ended(probe)
    ]


def _unless_ended(probe: Callable[[], Counters]) -> Sequence[Counters]:
    try:
        return [probe()]
    except OSError:
        return []


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})


def _dyno_message(dyno: Dyno) -> Message:
    return {
        "key": key_message(dyno.request.key),
        "state": dyno.state.value,
        "since": dyno.since.isoformat(),
        "endpoint": dyno.endpoint,
        "restarts": dyno.restarts,
        "reason": dyno.reason,
    }


def _look_message(dyno: Dyno, look: PortSnapshot) -> Message:
    return {
        "key": key_message(dyno.request.key),
        "port": look.port,
        "listeners": [[each.address, each.port, each.is_ipv6_only] for each in sorted(look.listeners)],
        "cpu_s": look.cpu_s,
    }
