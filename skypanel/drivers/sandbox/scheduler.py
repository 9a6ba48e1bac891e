"""Dynos as sandboxes of this machine, supervised by the launcher."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from skypanel.domain.app import App
from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.manifest import ONE_OFF, STOP_GRACE_S, Dyno, DynoKey, DynoState, Exit, Manifest, OneOff
from skypanel.domain.storage import ObjectKind
from skypanel.drivers.sandbox.attachment import Attachment
from skypanel.drivers.sandbox.builder import open_workspace
from skypanel.drivers.sandbox.launcher import WORK_S, Launcher, LauncherConnection, answered_within
from skypanel.drivers.sandbox.readiness import Readiness
from skypanel.host.descriptors import Pipe, write_all
from skypanel.host.environment import boot, dyno_environment
from skypanel.host.listening import Listener, PortSnapshot
from skypanel.host.protocol import Message, Tenant, key_message, limits_message, parse_key, tenant_message
from skypanel.ports.builder import Step
from skypanel.ports.objects import Objects
from skypanel.ports.output import WriteLine
from skypanel.ports.scheduler import Attached
from skypanel.tasks import together

ONE_OFF_PORT = 5000
POLL_S = 0.1
# More than the launcher's own timeout for an extraction.
STAGE_S = 660.0


class ProcessScheduler:
    """Runs dynos at the launcher. Slugs come from `objects`."""

    def __init__(self, launcher: Launcher, objects: Objects, stop_grace_s: float = STOP_GRACE_S) -> None:
        self._launcher = launcher
        self._objects = objects
        self._stop_grace_s = stop_grace_s

    async def stage(self, app: App, digest: str) -> None:
        """Stage a slug on this machine. Raises Unavailable."""
        await self._stage(Tenant(app.id, app.number), digest)

    async def launch(self, manifest: Manifest) -> None:
        """Start the missing dynos of the manifest. Other dynos of the app keep running."""
        await self._stage(_tenant(manifest), manifest.slug_digest)
        for key in manifest.dynos():
            await self._launcher.ask(_start_message(manifest, key))

    async def wait_ready(self, manifest: Manifest, timeout_s: float) -> Sequence[Dyno]:
        """Wait until every web dyno answers on $PORT and the others stay up, and return the manifest's dynos. Raises Unready."""
        waiting = {key: Readiness(key.name) for key in manifest.dynos()}
        try:
            async with asyncio.timeout(timeout_s):
                return await self._until_ready(manifest.app_id, waiting)
        except TimeoutError:
            raise next(readiness.late(timeout_s) for readiness in waiting.values() if not readiness.ready) from None

    async def _until_ready(self, app_id: AppId, waiting: Mapping[DynoKey, Readiness]) -> Sequence[Dyno]:
        now = asyncio.get_running_loop().time
        while True:
            found = {dyno.key: dyno for dyno in await self.dynos(app_id)}
            looks = await self._look([key for key, readiness in waiting.items() if readiness.needs_look(found.get(key))])
            checks = (readiness.check(found.get(key), looks.get(key), now()) for key, readiness in waiting.items())
            if all(await together(*checks)):
                return [found[key] for key in waiting]
            await asyncio.sleep(POLL_S)

    async def dynos(self, app_id: AppId | None = None) -> Sequence[Dyno]:
        """Return the running dynos of one app, or of all apps."""
        answer = await self._launcher.ask({"do": "list", "app_id": app_id and str(app_id)})
        return [_dyno(report) for report in answer["dynos"]]

    async def last_lines(self, key: DynoKey) -> Sequence[str]:
        """Return the last lines of a dyno's output."""
        answer = await self._launcher.ask({"do": "last", "key": key_message(key)})
        return [str(line) for line in answer["lines"]]

    async def retire(self, manifest: Manifest) -> None:
        """Stop every dyno of the app that is not in the manifest: SIGTERM now, SIGKILL after the grace period."""
        await self._launcher.ask(
            {
                "do": "retire",
                "app_id": str(manifest.app_id),
                "keep": [key_message(key) for key in manifest.dynos()],
                "keep_digest": manifest.slug_digest or None,
                "grace_s": self._stop_grace_s,
            },
            WORK_S,
        )

    async def stop(self, app_id: AppId, dyno: str) -> Sequence[str]:
        """Restart one dyno or all of a process type, and return their names."""
        answer = await self._launcher.ask({"do": "stop", "app_id": str(app_id), "name": dyno, "grace_s": self._stop_grace_s})
        return [str(name) for name in answer["told"]]

    async def remove(self, app_id: AppId) -> None:
        """Stop all dynos of an app and delete its slugs, logs and disks."""
        await self._launcher.ask({"do": "remove", "app_id": str(app_id)}, WORK_S)

    async def run(self, manifest: Manifest, command: str, write: WriteLine, timeout_s: float, *, process_type: str = ONE_OFF) -> Exit:
        """Run a one-off dyno of the manifest's slug until it ends, and pass its output to `write` line by line."""
        tenant, limits = _tenant(manifest), replace(manifest.limits, timeout_s=timeout_s)
        step = Step(boot(command), dyno_environment(manifest.config_vars, manifest.only(process_type).name, ONE_OFF_PORT), network=True)
        await self._stage(tenant, manifest.slug_digest)
        async with open_workspace(self._launcher, tenant, limits, manifest.slug_digest) as workspace:
            return await workspace.run(step, write)

    @asynccontextmanager
    async def attach(self, manifest: Manifest, one_off: OneOff) -> AsyncIterator[Attached]:
        """Run a one-off dyno for the length of the block. The launcher kills it when the connection closes."""
        await self._stage(_tenant(manifest), manifest.slug_digest)
        async with self._launcher.connect() as connection:
            attachment = Attachment(one_off.window)
            try:
                await connection.send(_once_message(manifest, one_off, attached=True), attachment.theirs)
                end = asyncio.ensure_future(_receive_exit(connection))
                attachment.started(end, partial(self._signal, one_off.key(manifest)))
                try:
                    yield attachment
                finally:
                    end.cancel()
                    await asyncio.wait({end})
            finally:
                attachment.close()
                await connection.finish()

    async def detach(self, manifest: Manifest, one_off: OneOff) -> None:
        """Start a detached one-off dyno, whose output goes to the app's log."""
        await self._stage(_tenant(manifest), manifest.slug_digest)
        await self._launcher.ask(_once_message(manifest, one_off, attached=False))

    async def one_offs(self, app_id: AppId | None = None) -> Sequence[Dyno]:
        """Return the running one-off dynos, attached or not: of one app with their commands, or of all apps without."""
        answer = await self._launcher.ask({"do": "list", "app_id": app_id and str(app_id)})
        return [_dyno(report) for report in answer["one_offs"]]

    async def _signal(self, key: DynoKey, number: int) -> None:
        with suppress(NotFound):  # it may have ended
            await self._launcher.ask({"do": "signal", "app_id": str(key.app_id), "name": key.name, "number": number})

    async def _look(self, keys: Sequence[DynoKey]) -> Mapping[DynoKey, PortSnapshot]:
        """Return where dynos listen. That is expensive for the launcher, so it is only asked about dynos that start."""
        if not keys:
            return {}
        answer = await self._launcher.ask({"do": "look", "keys": [key_message(key) for key in keys]})
        return {parse_key(look["key"]): _look(look) for look in answer["looks"]}

    async def _stage(self, tenant: Tenant, digest: str) -> None:
        slug = {"tenant": tenant_message(tenant), "digest": digest}
        if (await self._launcher.ask({"do": "staged", **slug}))["staged"]:
            return
        with Pipe() as pipe:
            async with answered_within(STAGE_S), self._launcher.connect() as connection:
                await connection.send({"do": "stage", **slug}, [pipe.read])
                pipe.close_read()
                await self._copy_slug(pipe, digest)
                await connection.receive()

    async def _copy_slug(self, pipe: Pipe, digest: str) -> None:
        os.set_blocking(pipe.write, False)
        try:
            async for chunk in self._objects.read(ObjectKind.SLUGS, digest):
                await write_all(pipe.write, chunk)
        except NotFound as error:
            raise Unavailable("The slug is not in storage.", "Push again to rebuild it.") from error
        except BrokenPipeError:
            # the launcher's answer says why it stopped reading
            return
        finally:
            pipe.close_write()


def _tenant(manifest: Manifest) -> Tenant:
    return Tenant(manifest.app_id, manifest.app_number)


def _start_message(manifest: Manifest, key: DynoKey) -> Message:
    return {
        "do": "start",
        "key": key_message(key),
        "tenant": tenant_message(_tenant(manifest)),
        "digest": manifest.slug_digest,
        "command": manifest.command(key.process_type),
        "environment": dict(manifest.config_vars),
        "limits": limits_message(manifest.limits),
    }


def _once_message(manifest: Manifest, one_off: OneOff, *, attached: bool) -> Message:
    return {
        "do": "once",
        "key": key_message(one_off.key(manifest)),
        "tenant": tenant_message(_tenant(manifest)),
        "digest": manifest.slug_digest,
        "command": one_off.command,
        "environment": {**manifest.config_vars, **one_off.environment},
        "limits": limits_message(replace(manifest.limits, timeout_s=one_off.timeout_s)),
        "attached": attached,
        "terminal": attached and one_off.window is not None,
    }


async def _receive_exit(connection: LauncherConnection) -> Exit:
    answer = await connection.receive()
    return Exit(answer["code"], answer["reason"])


def _dyno(report: Mapping[str, Any]) -> Dyno:
    return Dyno(
        key=parse_key(report["key"]),
        state=DynoState(report["state"]),
        since=datetime.fromisoformat(report["since"]),
        endpoint=report["endpoint"],
        restarts=report["restarts"],
        reason=report["reason"],
        command=report["command"],
    )


def _look(report: Mapping[str, Any]) -> PortSnapshot:
    return PortSnapshot(report["port"], frozenset(Listener(*each) for each in report["listeners"]), report["cpu_s"])
