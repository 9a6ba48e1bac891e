"""A one-off dyno at a terminal in the browser, over a WebSocket (RFC 6455).

The browser first sends JSON: the command, and the size of its terminal. Then binary messages are input and output. Further JSON of the
browser is a new size, or how many more bytes it has shown. JSON of the panel names the dyno, then says how it ended.
"""

import asyncio
import json
from contextlib import suppress

from aiohttp import WSMsgType, web

from skypanel.domain.access import Action
from skypanel.domain.app import App
from skypanel.domain.errors import Denied, Invalid, SkyPanelError, Unavailable
from skypanel.domain.manifest import Window
from skypanel.flow import accounts, apps
from skypanel.flow import run as run_flow
from skypanel.ports.panel import Panel
from skypanel.ports.scheduler import Attached
from web import live, session
from web.api.bodies import Body, Number, Side, read
from web.consoles import Consoles
from web.keys import CONSOLES, PANEL, origin
from web.session import Visitor
from web.tasks import first_of

MAX_MESSAGE_BYTES = 64 * 1024
# What the browser has not shown yet, and what the dyno has not read yet.
MAX_UNSEEN_BYTES = 512 * 1024
MAX_UNREAD_BYTES = 1024 * 1024
TERMINAL = {"TERM": "xterm-256color"}
# Detects a browser that vanished.
HEARTBEAT_S = 30.0


class Opening(Body):
    """What to run, and the size of the browser's terminal."""

    command: str
    columns: Side
    rows: Side


class Notice(Body):
    """A new size of the terminal, or how many more bytes of output it has shown."""

    columns: Side | None = None
    rows: Side | None = None
    seen: Number | None = None


async def connect(request: web.Request) -> web.WebSocketResponse:
    """Run a command for as long as it lasts, the browser stays connected, and the account may do it."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    # Browsers send cookies with a WebSocket from any site, and say from which.
    if request.headers.get("Origin") != origin(request):
        raise Denied("This connection came from another site.", "Open the dashboard itself and try there.")
    app = await apps.access(panel, visitor.account, request.match_info["app"], Action.RUN)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES, compress=False)
    await socket.prepare(request)
    console = _Console(panel, app, visitor, socket, request.app[CONSOLES])
    with live.registered(request), suppress(ConnectionError):
        try:
            await console.run()
        except SkyPanelError as error:
            await console.say(error=str(error))
        await socket.close()
    return socket


class _Console:
    def __init__(self, panel: Panel, app: App, visitor: Visitor, socket: web.WebSocketResponse, consoles: Consoles) -> None:
        self._panel, self._app, self._visitor, self._socket, self._consoles = panel, app, visitor, socket, consoles
        self._input: asyncio.Queue[bytes] = asyncio.Queue()
        self._unread = self._sent = self._seen = 0
        self._shown = asyncio.Event()
        self._moved = asyncio.Event()
        self._attached: Attached | None = None
        self._window: Window | None = None

    async def run(self) -> None:
        """Run the command until it or its console ends."""
        with self._consoles.counted(self._visitor.account.id):
            opening = await self._opening()
            if opening is None:
                return
            # From now on, so that the answers to the heartbeat are seen while the dyno starts.
            await first_of(self._receive(), self._attach(opening))

    async def _attach(self, opening: Opening) -> None:
        window = Window(opening.columns, opening.rows)
        by, command = self._visitor.account, opening.command
        async with run_flow.attached(self._panel, self._app, command, by, window=window, environment=TERMINAL) as running:
            if self._window is not None:
                running.attached.resize(self._window)
            self._attached = running.attached
            await self.say(dyno=running.name)
            await first_of(self._show(running.attached), self._pass_on(running.attached), self._until_idle(), self._until_revoked())

    async def say(self, **message: object) -> None:
        """Send JSON to the browser."""
        await self._socket.send_str(json.dumps(message))

    async def _opening(self) -> Opening | None:
        """Return what the browser wants, or None if it is gone. Raises Invalid."""
        try:
            async with asyncio.timeout(self._consoles.opening_s):
                message = await self._socket.receive()
        except TimeoutError:
            raise Invalid("Nothing was asked for.", "Open the console again.") from None
        if message.type is WSMsgType.TEXT:
            return read(message.data.encode(), Opening)  # type: ignore[no-any-return]
        if message.type is WSMsgType.BINARY:
            raise Invalid("The first message is not JSON.", "Send the command and the size of the terminal.")
        return None

    async def _show(self, attached: Attached) -> None:
        """Send the output, at most MAX_UNSEEN_BYTES ahead of what the browser shows, and how the command ended."""
        async for chunk in attached.read():
            self._moved.set()
            await self._socket.send_bytes(chunk)
            self._sent += len(chunk)
            while self._sent - self._seen > MAX_UNSEEN_BYTES:
                self._shown.clear()
                await self._shown.wait()
        ended = await attached.wait()
        await self.say(exit=ended.code, reason=ended.reason)

    async def _receive(self) -> None:
        """Take what the browser sends until it is gone."""
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                self._take(message.data)
            elif message.type is WSMsgType.TEXT:
                self._heed(read(message.data.encode(), Notice))
            else:
                return

    def _take(self, chunk: bytes) -> None:
        self._moved.set()
        self._unread += len(chunk)
        if self._unread > MAX_UNREAD_BYTES:
            raise Invalid("The command does not read what was typed.", f"At most {MAX_UNREAD_BYTES} bytes wait for it.")
        self._input.put_nowait(chunk)

    def _heed(self, notice: Notice) -> None:
        if notice.columns and notice.rows:
            self._window = Window(notice.columns, notice.rows)
            if self._attached is not None:
                self._attached.resize(self._window)
        if notice.seen is not None:
            self._seen = min(self._seen + notice.seen, self._sent)
            self._shown.set()

    async def _pass_on(self, attached: Attached) -> None:
        """Write the input to the dyno. Only this step waits for a command that does not read."""
        while True:
            chunk = await self._input.get()
            await attached.write(chunk)
            self._unread -= len(chunk)

    async def _until_idle(self) -> None:
        with suppress(TimeoutError):
            while True:
                self._moved.clear()
                async with asyncio.timeout(self._consoles.idle_s):
                    await self._moved.wait()
        raise Unavailable("The console was idle for too long, and the dyno was stopped.", "Open the console again.")

    async def _until_revoked(self) -> None:
        """Raise Denied or NotFound once the session has ended, or the role is too low."""
        while True:
            await asyncio.sleep(self._consoles.check_s)
            with suppress(Unavailable):
                account = await accounts.session_account(self._panel, self._visitor.session)
                if account is None:
                    raise Denied("You are signed out, and the dyno was stopped.", "Sign in again.")
                await apps.access(self._panel, account, str(self._app.id), Action.RUN)
