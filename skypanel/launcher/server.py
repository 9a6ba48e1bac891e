"""Answers the panel's requests on a Unix socket."""

import asyncio
import os
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, SkyPanelError, Unavailable
from skypanel.domain.manifest import Exit
from skypanel.host.cancellation import cancel_and_wait
from skypanel.host.channel import Channel, Received
from skypanel.host.commands import CommandFailed
from skypanel.host.protocol import (
    AskFeatures,
    AskLastLines,
    CancelStep,
    HasSlug,
    InspectPorts,
    ListDynos,
    MeasureDynos,
    Message,
    OpenWorkspace,
    RemoveApp,
    Request,
    Retire,
    RunOnce,
    RunStep,
    SignalDyno,
    StageSlug,
    StartDyno,
    StopDyno,
    parse,
)
from skypanel.launcher.disks import delete_tree
from skypanel.launcher.dynos import Dynos
from skypanel.launcher.machine import SandboxHost
from skypanel.launcher.running import Streams
from skypanel.launcher.slugs import Slugs
from skypanel.launcher.workspace import KILLED, Workspace, open_workspace

_STEP_DESCRIPTORS = 3
_T = TypeVar("_T")


class _Disconnected(Exception):
    """The client closed the connection."""


class Server:
    """Answers the connections of one socket."""

    def __init__(self, machine: SandboxHost, dynos: Dynos, slugs: Slugs, allowed_uids: frozenset[int]) -> None:
        self._machine = machine
        self._dynos = dynos
        self._slugs = slugs
        self._allowed = allowed_uids
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Accept connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            task = asyncio.create_task(self._serve_connection(Channel(connection)))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        """End all connections, and with them all workspaces."""
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(set(self._connections))

    async def _serve_connection(self, channel: Channel) -> None:
        try:
            if channel.peer_uid not in self._allowed:
                raise Denied("Only the panel may use this socket.")
            while True:
                await self._answer(channel)
        except SkyPanelError as error:
            await _send_error(channel, _error_message(error))
        except (CommandFailed, OSError) as error:
            await _send_error(channel, _error_message(Unavailable(str(error))))
        except _Disconnected:
            return
        finally:
            channel.close()

    async def _answer(self, channel: Channel) -> None:
        """Answer one request. After an error the connection ends."""
        received = await _next(channel)
        try:
            request = parse(received.message)
            if isinstance(request, OpenWorkspace):
                await self._serve_workspace(channel, request)
            else:
                answer = await _unless_interrupted(self._handle(request, received.descriptors), channel.hung_up())
                if answer is None:
                    raise _Disconnected
                await channel.send(answer)
        finally:
            received.close()

    async def _handle(self, request: Request, descriptors: list[int]) -> Message:
        match request:
            case StageSlug():
                if len(descriptors) != 1:
                    raise Invalid("A slug is one descriptor.")
                await self._slugs.stage(request, descriptors[0])
            case AskFeatures():
                return self._machine.features()
            case HasSlug():
                return {"staged": self._slugs.staged(request.tenant, request.digest)}
            case RunOnce():
                return await self._run_once(request, descriptors)
            case RemoveApp():
                await self._remove(request)
            case _:
                return await self._handle_dyno_request(request)
        return {}

    async def _handle_dyno_request(self, request: Request) -> Message:
        match request:
            case StartDyno():
                self._dynos.start(request)
            case Retire():
                await self._dynos.retire(request)
            case StopDyno():
                return {"told": self._dynos.renew(request)}
            case SignalDyno():
                self._dynos.signal(request)
            case ListDynos():
                return {
                    "dynos": self._dynos.report(request.app_id, once=False),
                    "one_offs": self._dynos.report(request.app_id, once=True),
                }
            case MeasureDynos():
                return {"dynos": await self._dynos.measure()}
            case AskLastLines():
                return {"lines": list(self._dynos.last_lines(request.key))}
            case InspectPorts():
                return {"looks": await self._dynos.look(request.keys)}
            case _:
                raise Invalid("A step needs a workspace.")
        return {}

    async def _run_once(self, request: RunOnce, descriptors: list[int]) -> Message:
        if len(descriptors) != (_STEP_DESCRIPTORS if request.attached else 0):
            raise Invalid("An attached dyno has stdin, stdout and stderr, and no other has.")
        exit_ = await self._dynos.run_once(request, Streams(*descriptors) if request.attached else None)
        return _exit_message(exit_ or Exit(KILLED)) if request.attached else {}

    async def _remove(self, request: RemoveApp) -> None:
        await self._dynos.stop(request.app_id, 0)
        places = self._machine.places
        for tree in (places.slugs(request.app_id), places.cache(request.app_id), places.logs / str(request.app_id)):
            await asyncio.to_thread(delete_tree, tree)

    async def _serve_workspace(self, channel: Channel, request: OpenWorkspace) -> None:
        """Make a workspace and run its steps until the client disconnects."""
        if request.digest is not None:
            self._slugs.use(request.tenant, request.digest)
        try:
            async with open_workspace(self._machine, request) as workspace:
                await channel.send({})
                while True:
                    await self._step(channel, workspace)
        finally:
            if request.digest is not None:
                await self._slugs.give_back(request.tenant, request.digest)

    async def _step(self, channel: Channel, workspace: Workspace) -> None:
        received = await _next(channel)
        try:
            request = parse(received.message)
            if isinstance(request, CancelStep):
                return
            if not isinstance(request, RunStep) or len(received.descriptors) != _STEP_DESCRIPTORS:
                raise Invalid("A workspace takes steps, each with stdin, stdout and stderr.")
            exit_ = await _unless_interrupted(workspace.step(request, Streams(*received.descriptors)), _cancelled(channel))
        finally:
            received.close()
        await channel.send(_exit_message(exit_ or Exit(KILLED)))


def _exit_message(exit_: Exit) -> Message:
    return {"code": exit_.code, "reason": exit_.reason}


def _error_message(error: SkyPanelError) -> Message:
    kinds = {Conflict: "conflict", Denied: "denied", Invalid: "invalid", NotFound: "not_found"}
    return {"error": kinds.get(type(error), "unavailable"), "message": error.message, "hint": error.hint}


async def _send_error(channel: Channel, answer: Message) -> None:
    try:
        await channel.send(answer)
    except OSError:
        return


async def _next(channel: Channel) -> Received:
    received = await channel.receive()
    if received is None:
        raise _Disconnected
    return received


async def _cancelled(channel: Channel) -> None:
    """Return when the client cancels the running step. It may send nothing else meanwhile."""
    received = await _next(channel)
    received.close()
    if not isinstance(parse(received.message), CancelStep):
        raise Invalid("A step runs in this workspace already.")


async def _unless_interrupted(work: Coroutine[Any, Any, _T], interruption: Coroutine[Any, Any, None]) -> _T | None:
    """Return what `work` returns. If `interruption` returns first, cancel the work, wait for its end, and return None."""
    working = asyncio.create_task(work)
    interrupting = asyncio.create_task(interruption)
    try:
        await asyncio.wait({working, interrupting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        interrupting.result()
        return None
    finally:
        await cancel_and_wait(working, interrupting)


def listen(path: Path, owner: int) -> socket.socket:
    """Return a listening socket at `path` that only `owner` and root may connect to."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    os.chown(path, owner, owner, follow_symlinks=False)
    listener.listen(64)
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener
