"""One git conversation, over any transport: authorize, run git, answer its hook."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from gitreceiver import config
from gitreceiver.command import Command, Service
from gitreceiver.pipes import HookPipes
from gitreceiver.process import GitProcess
from skypanel.domain.account import Account
from skypanel.domain.errors import SkyPanelError
from skypanel.domain.ids import AppId
from skypanel.domain.push import Push
from skypanel.domain.transcript import failure, failures
from skypanel.ports.output import WriteLine
from skypanel.ports.repositories import Repositories
from skypanel.tasks import cancel

REFUSED = 128  # git's own exit status for fatal errors

_PROTOCOL = re.compile(r"version=[0-9](?::[a-z0-9=:.-]{1,100})?")

log = logging.getLogger(__name__)


class Gone(Exception):
    """The peer has disconnected."""


class Peer(Protocol):
    """The other side of a conversation. Cancelling a call loses no bytes."""

    async def read(self) -> bytes:
        """Return some bytes; none at the end of input, or once the peer is gone."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Send bytes, with backpressure from the peer. Raises Gone."""
        ...

    async def write_message(self, text: bytes) -> None:
        """Send text out of band, such as to stderr. Raises Gone."""
        ...


@dataclass(frozen=True)
class Destination:
    """The repository of a command. `exists` is False if no app has the name yet."""

    app_id: AppId
    exists: bool


Find = Callable[[Account, Command], Awaitable[Destination]]
Receive = Callable[[Push, WriteLine], Awaitable[None]]
Abandon = Callable[[Push, str], Awaitable[bool]]
Forget = Callable[[AppId], Awaitable[None]]


@dataclass(frozen=True)
class Git:
    """What every conversation needs.

    `find` authorizes. `receive` decides on a push and carries it out. Both refuse with a SkyPanelError. `abandon` stops the build of a
    push for a reason, and returns whether there was one. `forget` removes the repository of a first push if it created no app.
    """

    find: Find
    receive: Receive
    abandon: Abandon
    forget: Forget
    repositories: Repositories
    limits: config.GitLimits = field(default_factory=config.GitLimits)
    idle_s: float = 300.0

    async def converse(self, account: Account, command: Command, protocol: str | None, peer: Peer) -> int:
        """Run one conversation to its end and return git's exit status. Cancelling it declines the push.

        Raises SkyPanelError if it is refused before git has started.
        """
        destination = await self.find(account, command)
        await self.repositories.create(destination.app_id)
        try:
            return await _GitSession(self, account, command, destination, peer).run(protocol)
        finally:
            if not destination.exists:
                await self._forget(destination.app_id)

    async def _forget(self, app_id: AppId) -> None:
        try:
            await self.forget(app_id)
        except SkyPanelError as error:  # the sweep at the next start removes it
            log.warning("repository %s stays for now: %s", app_id, error)


class _GitSession:
    """A git process, its hook and a peer. Any of the three may end first."""

    def __init__(self, git: Git, account: Account, command: Command, destination: Destination, peer: Peer) -> None:
        self._git = git
        self._account = account
        self._command = command
        self._destination = destination
        self._peer = peer
        self._asked = False

    async def run(self, protocol: str | None) -> int:
        pipes = await HookPipes.open()
        try:
            process = await GitProcess.start(
                self._argv(), config.environment(known_protocol(protocol), pipes.passed), tuple(pipes.passed.values())
            )
            pipes.release()
            return await self._attend(process, pipes)
        finally:
            pipes.close()

    def _argv(self) -> tuple[str, ...]:
        return config.argv(self._command, self._git.repositories.path(self._destination.app_id), self._git.limits)

    async def _attend(self, process: GitProcess, pipes: HookPipes) -> int:
        upload = asyncio.create_task(self._upload(process))
        answer = asyncio.create_task(self._answer(pipes))
        outputs = [asyncio.create_task(self._download(process)), asyncio.create_task(self._complain(process))]
        try:
            await asyncio.wait(outputs)
            await process.wait()
        finally:
            # Either git has ended or the panel is stopping. In that case the hook declines, and git's last output still reaches the peer.
            await cancel([upload, answer])
            await process.end()
            await cancel(outputs)
        for task in (upload, answer, *outputs):
            if not task.cancelled() and (error := task.exception()):
                raise error
        return REFUSED if process.status is None or process.status < 0 else process.status

    async def _upload(self, process: GitProcess) -> None:
        """Copy the peer's bytes to git. If git reads no more, still drain them, so that the peer can read why."""
        while chunk := await self._next():
            await process.write(chunk)
        process.close_stdin()

    async def _next(self) -> bytes:
        while True:
            try:
                async with asyncio.timeout(self._git.idle_s):
                    return await self._peer.read()
            except TimeoutError:
                if self._asked:  # a pusher sends nothing during the build
                    continue
                await self._write_message(
                    failure(f"The connection timed out: nothing came for {self._git.idle_s:.0f} seconds. Try again.").encode() + b"\n"
                )
                return b""

    async def _download(self, process: GitProcess) -> None:
        """Copy git's output to the peer. If a pusher disconnects, git continues and its output is discarded; a fetch is killed."""
        gone = False
        while chunk := await process.read():
            if gone:
                continue
            try:
                await self._peer.write(chunk)
            except Gone:
                gone = True
                if self._command.service is Service.UPLOAD:
                    process.kill()

    async def _complain(self, process: GitProcess) -> None:
        while chunk := await process.read_error():
            await self._write_message(chunk)

    async def _write_message(self, text: bytes) -> None:
        with suppress(Gone):
            await self._peer.write_message(text)

    async def _answer(self, pipes: HookPipes) -> None:
        """Tell the hook whether the push is accepted."""
        try:
            report = await pipes.report()
            if report is None:
                return
            self._asked = True
            push = Push(self._account, self._destination.app_id, self._command.name, report.updates, report.quarantine)
            await self._git.receive(push, pipes.write)
            pipes.accept()
        except SkyPanelError as error:
            for line in failures(error):
                pipes.say(line)
        except BaseException:
            pipes.say(failure("This push was interrupted. Push again; if that fails too, check the panel's log."))
            raise
        finally:
            pipes.close()


def refusal_line(error: SkyPanelError) -> bytes:
    """Return the line that explains a refusal before git has started."""
    return failure(str(error)).encode("utf-8", "backslashreplace") + b"\n"


def known_protocol(protocol: str | None) -> str | None:
    """Return a client's GIT_PROTOCOL if it is well-formed, else None."""
    return protocol if protocol and _PROTOCOL.fullmatch(protocol) else None
