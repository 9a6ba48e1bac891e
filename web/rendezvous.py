"""Connects the Heroku CLI to the one-off dynos it asked for: TLS, a secret as the first line, then bytes both ways.

The CLI drops the first chunk that it receives, whatever is in it. Each write here is a separate TLS record, and so a separate chunk.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from skypanel.domain.access import Action
from skypanel.domain.errors import SkyPanelError, Unavailable
from skypanel.flow import run as run_flow
from skypanel.flow.audit import ORIGIN
from skypanel.ports.panel import Panel
from skypanel.ports.scheduler import Attached
from skypanel.tasks import cancel
from web import exit_status
from web.api import tickets
from web.api.tickets import Ticket
from web.pending_runs import PendingRun, PendingRuns
from web.tasks import first_of

GREETING = b"rendezvous\r\n"
END_OF_INPUT = b"\x04"
# Limits for clients that have not sent the secret yet: how many at once, and how long each.
MAX_UNAUTHENTICATED = 64
HANDSHAKE_S = 10.0
MAX_SECRET_BYTES = 256
CHUNK_BYTES = 64 * 1024
# A client without a terminal ends its input with a byte that may also be part of it. If it is, more input follows within END_S.
END_S = 0.5
CHECK_S = 2.0
PAUSE_S = 1.0
CLOSE_S = 5.0
# Detects a vanished client within two minutes.
KEEPALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}

log = logging.getLogger(__name__)


@asynccontextmanager
async def listening(
    panel: Panel, pending: PendingRuns, certificate: tuple[Path, Path], port: int, *, handshake_s: float = HANDSHAKE_S
) -> AsyncIterator[int]:
    """Accept clients on all interfaces while the block runs, and yield the port. Clients still connected at its end are disconnected.

    A client that has not sent a secret after `handshake_s` seconds is disconnected too.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    is_dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if is_dual else socket.AF_INET
    with socket.create_server(("", port), family=family, dualstack_ipv6=is_dual) as listener:
        listener.setblocking(False)  # noqa: FBT003 - a standard name
        rendezvous = _Rendezvous(panel, pending, context, handshake_s)
        accepting = asyncio.create_task(rendezvous.accept(listener))
        try:
            yield listener.getsockname()[1]
        finally:
            await cancel({accepting})
            await cancel(rendezvous.tasks)


class _Rendezvous:
    def __init__(self, panel: Panel, pending: PendingRuns, context: ssl.SSLContext, handshake_s: float) -> None:
        self._panel, self._pending, self._context, self._handshake_s = panel, pending, context, handshake_s
        self._unauthenticated = asyncio.Semaphore(MAX_UNAUTHENTICATED)
        self.tasks: set[asyncio.Task[None]] = set()

    async def accept(self, listener: socket.socket) -> None:
        """Accept clients. Those beyond MAX_UNAUTHENTICATED wait in the kernel."""
        while True:
            await self._unauthenticated.acquire()
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:  # too many open files, or a client that is gone already
                log.warning("the rendezvous cannot receive a client: %s", error)
                self._unauthenticated.release()
                await asyncio.sleep(PAUSE_S)
                continue
            task = asyncio.create_task(self._handle(connection))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _handle(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(self._handshake_s):
                client = await self._handshake(connection)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            connection.close()
            return
        finally:
            self._unauthenticated.release()
        if client is not None:
            run, reader, writer = client
            try:
                await self._serve(run, reader, writer)
            except ConnectionError:
                log.info("the client of %s of app %s is gone", run.one_off.name, run.app_id)
            finally:
                await _close(writer)

    async def _handshake(self, connection: socket.socket) -> tuple[PendingRun, asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Do the TLS handshake and read the secret. Return None if the secret is wrong."""
        for option, value in KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(CHUNK_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._context)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            line = await reader.readuntil(b"\n")
            run = self._pending.take(line.strip()) if len(line) <= MAX_SECRET_BYTES else None
        except BaseException:
            transport.abort()
            raise
        if run is None:
            await _close(writer)
            return None
        return run, reader, writer

    async def _serve(self, run: PendingRun, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the dyno until it ends, the client disconnects, or its access is revoked."""
        ORIGIN.set(run.origin)
        await _write(writer, GREETING)
        ticket = Ticket(run.token_id, run.app_id, {})
        try:
            account, app = await tickets.admit(self._panel, ticket, Action.RUN)
            async with run_flow.attach(self._panel, app, run.one_off, account) as attached:
                await first_of(
                    _answer(attached, writer, has_status=exit_status.is_wanted(run.one_off.command)),
                    _pass_on(reader, attached, at_terminal=run.one_off.window is not None),
                    self._until_revoked(ticket),
                )
        except SkyPanelError as error:
            await _write(writer, f" !     {error}\r\n".encode())

    async def _until_revoked(self, ticket: Ticket) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            with suppress(Unavailable):
                await tickets.admit(self._panel, ticket, Action.RUN)


async def _answer(attached: Attached, writer: asyncio.StreamWriter, *, has_status: bool) -> None:
    """Send the dyno's output until it ends."""
    pieces = exit_status.whole(attached.read()) if has_status else attached.read()
    async for piece in pieces:
        await _write(writer, piece)
    exit_ = await attached.wait()
    if exit_.reason is not None:
        await _write(writer, f" !     The command was stopped: {exit_.reason}.\r\n".encode())


async def _pass_on(reader: asyncio.StreamReader, attached: Attached, *, at_terminal: bool) -> None:
    """Forward the client's input to the dyno until the client disconnects."""
    held = b""
    while True:
        try:
            async with asyncio.timeout(END_S if held else None):
                chunk = await reader.read(CHUNK_BYTES)
        except TimeoutError:
            await attached.end_input()
            held = b""
            continue
        if not chunk:
            return
        chunk = held + chunk
        held = END_OF_INPUT if not at_terminal and chunk.endswith(END_OF_INPUT) else b""
        await attached.write(chunk.removesuffix(held))


async def _write(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    writer.write(chunk)
    await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
