"""All dynos of a launcher."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from skypanel.domain.manifest import DynoKey
from skypanel.launcher.dyno import Dyno
from skypanel.launcher.logs import LogFiles
from skypanel.launcher.machine import Machine
from skypanel.launcher.protocol import Message, Retire, StartDyno, key_message
from skypanel.launcher.slugs import Slugs


@dataclass
class _Entry:
    dyno: Dyno
    task: asyncio.Task[None]


class Dynos:
    """Starts dynos, stops them, says what they do."""

    def __init__(self, machine: Machine, slugs: Slugs, logs: LogFiles) -> None:
        self._machine = machine
        self._slugs = slugs
        self._logs = logs
        self._entries: dict[DynoKey, _Entry] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, request: StartDyno) -> None:
        """Start a dyno unless it runs; one that is being stopped is started anew after its end. Raises NotFound, CommandFailed, OSError."""
        before = self._entries.get(request.key)
        if before is not None and not before.dyno.stopping:
            return
        self._slugs.use(request.tenant, request.digest)
        slot = self._machine.network.take()
        log = self._logs.open(request.key.app_id, request.key.name)
        dyno = Dyno(self._machine, request, slot, log)
        task = asyncio.create_task(self._keep(dyno, before.task if before else None))
        self._entries[request.key] = _Entry(dyno, task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, dyno: Dyno, before: asyncio.Task[None] | None) -> None:
        """Supervise a dyno to its end, after the one that had its name, and give everything back."""
        if before is not None:
            await asyncio.wait({before})
        key, tenant = dyno.request.key, dyno.request.tenant
        try:
            await dyno.supervise()
        finally:
            entry = self._entries.get(key)
            if entry is not None and entry.dyno is dyno:
                del self._entries[key]
            self._machine.network.give_back(dyno.slot)
            self._logs.close(key.app_id, key.name)
            await self._slugs.give_back(tenant, dyno.request.digest)

    async def retire(self, request: Retire) -> None:
        """Tell all dynos of an app but those to keep to stop; their slugs go with them."""
        for entry in self._of(request.app_id):
            if entry.dyno.request.key not in request.keep:
                entry.dyno.stop(request.grace_s)
        await self._slugs.keep_only(request.app_id, request.keep_digest)

    async def stop(self, app_id: UUID | None, grace_s: float) -> None:
        """Stop the dynos of an app or of all, and wait for their end."""
        entries = self._of(app_id)
        for entry in entries:
            entry.dyno.stop(grace_s)
        tasks = {entry.task for entry in entries} if app_id else set(self._tasks)
        if tasks:
            await asyncio.wait(tasks)

    def report(self, app_id: UUID | None) -> Sequence[Message]:
        """Return the dynos of an app or of all, in order."""
        return [_describe(entry.dyno) for entry in sorted(self._of(app_id), key=lambda entry: entry.dyno.request.key)]

    def _of(self, app_id: UUID | None) -> list[_Entry]:
        return [entry for key, entry in self._entries.items() if app_id in {None, key.app_id}]


def _describe(dyno: Dyno) -> Message:
    return {
        "key": key_message(dyno.request.key),
        "state": dyno.state.value,
        "since": dyno.since.isoformat(),
        "endpoint": dyno.endpoint,
        "restarts": dyno.restarts,
        "reason": dyno.reason,
        "listening": dyno.listening().value,
        "pids": dyno.pids(),
    }
