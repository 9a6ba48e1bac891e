"""The console as a browser uses it, and as those use it who have no business there."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import make_mocked_request

from skypanel.domain.access import Role
from skypanel.flow import organizations
from skypanel.store import audit
from tests.fixtures.web import HOST, ORIGIN
from tests.support.until import until
from web import console
from web.keys import CONSOLES, origin

WITHIN_S = 60
PATH = "/apps/hello/console/socket"
SIZE = {"columns": 81, "rows": 25}

pytestmark = pytest.mark.usefixtures("app")


@asynccontextmanager
async def connected(client, command=None, path=PATH, **headers):
    """Open a console, and run a command in it."""
    async with asyncio.timeout(WITHIN_S), client.ws_connect(path, headers={"Origin": ORIGIN, "Host": HOST} | headers) as socket:
        if command is not None:
            await socket.send_json({"command": command} | SIZE)
        yield socket


async def started(socket):
    return (await socket.receive_json())["dyno"]


async def output(socket, end=b""):
    """Return what is printed up to and including a text, or else to the end, and the last message."""
    printed = b""
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            return printed, json.loads(message.data)
        printed += message.data
        if end and end in printed:
            return printed, None
    return printed, None


async def one_offs(stage):
    return [dyno.key.name for dyno in await stage.panel.scheduler.one_offs()]


async def gone(stage):
    return not await one_offs(stage)


@pytest.fixture
def limits(dashboard):
    return dashboard[CONSOLES]


async def test_a_browser_is_heard_while_its_dyno_starts_slowly(admin, stage, monkeypatch):
    monkeypatch.setattr(console, "HEARTBEAT_S", 0.2)
    attached, begun, go_on = stage.panel.scheduler.attach, asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slowly(*arguments):
        begun.set()
        await go_on.wait()
        async with attached(*arguments) as attachment:
            yield attachment

    monkeypatch.setattr(stage.panel.scheduler, "attach", slowly)
    async with connected(admin, "stty size") as socket:
        starting = asyncio.create_task(socket.receive())
        await begun.wait()
        # Longer than the heartbeat waits for its answer.
        assert await asyncio.wait({starting}, timeout=0.6) == (set(), {starting})
        await socket.send_json({"columns": 90, "rows": 30})
        go_on.set()
        assert json.loads((await starting).data)["dyno"]
        assert (await output(socket))[1] == {"exit": 0, "reason": None}


async def test_it_shows_what_is_printed_and_how_it_ended(admin, stage):
    async with connected(admin, "stty size; echo $TERM; read name; echo Hello $name; exit 3") as socket:
        name = await started(socket)
        assert await one_offs(stage) == [name]
        await output(socket, b"xterm-256color\r\n")
        await socket.send_bytes(b"Ada\r")
        printed, last = await output(socket)
        assert b"Hello Ada\r\n" in printed
        assert last == {"exit": 3, "reason": None}
        assert (await socket.receive()).type is WSMsgType.CLOSE
    await until(lambda: gone(stage))
    async with stage.panel.transaction() as conn:
        (row, *_) = await audit.recent(conn, 1)
    assert (row.action, row.details) == ("dyno.run", {"dyno": name, "attached": True})
    assert row.origin.startswith("web ")


async def test_the_window_changes_its_size_and_control_c_interrupts(admin):
    async with connected(
        admin, "trap 'stty size' WINCH; trap 'echo caught; exit 130' INT; echo ready; while :; do sleep 0.1; done"
    ) as socket:
        await started(socket)
        await output(socket, b"ready\r\n")
        await socket.send_json({"columns": 100, "rows": 40})
        await output(socket, b"40 100\r\n")
        await socket.send_bytes(b"\x03")
        printed, last = await output(socket)
        assert b"caught" in printed
        assert last["exit"] == 130


async def test_who_closes_the_page_ends_the_dyno(admin, stage):
    async with connected(admin, "echo ready; sleep 1000") as socket:
        await started(socket)
        await output(socket, b"ready\r\n")
    await until(lambda: gone(stage))


async def test_output_waits_for_the_browser_to_show_it(admin):
    async with connected(admin, "yes") as socket:
        await started(socket)
        shown = 0
        with suppress(TimeoutError):
            while True:
                shown += len((await socket.receive(timeout=0.5)).data)
        assert console.MAX_UNSEEN_BYTES < shown < 2 * console.MAX_UNSEEN_BYTES
        await socket.send_json({"seen": shown})
        assert (await socket.receive()).data


async def test_input_that_nobody_reads_ends_it(admin, stage):
    async with connected(admin, "stty -echo -icanon; echo ready; sleep 1000") as socket:
        await started(socket)
        await output(socket, b"ready\r\n")
        for _ in range(2 * console.MAX_UNREAD_BYTES // 60_000):
            await socket.send_bytes(b"x" * 60_000)
        _, last = await output(socket)
        assert "does not read what was typed" in last["error"]
    await until(lambda: gone(stage))


async def test_an_idle_console_ends(admin, limits, stage):
    limits.idle_s = 0.2
    async with connected(admin, "sleep 1000") as socket:
        await started(socket)
        assert "idle for too long" in (await output(socket))[1]["error"]
    await until(lambda: gone(stage))


async def test_who_asks_for_nothing_is_sent_away(admin, limits, stage):
    limits.opening_s = 0.1
    async with connected(admin) as socket:
        assert "Nothing was asked for." in (await output(socket))[1]["error"]
    assert stage.panel.scheduler.runs == []


async def test_only_so_many_are_open_at_a_time(admin, limits, new_client, stage):
    limits.most_of_one, limits.most = 1, 2
    other = await new_client()
    await other.sign_in(await stage.member(Role.DEVELOPER))
    third = await new_client()
    await third.sign_in(await stage.member(Role.OWNER))
    async with connected(admin, "sleep 1000") as first:
        await started(first)
        async with connected(admin) as socket:
            assert "You have 1 consoles open." in (await output(socket))[1]["error"]
        async with connected(other, "sleep 1000") as second:
            await started(second)
            async with connected(third) as socket:
                assert "This panel has 2 consoles open" in (await output(socket))[1]["error"]
    await until(lambda: gone(stage))
    async with connected(admin, "echo again") as socket:
        await started(socket)
        assert await output(socket) == (b"again\r\n", {"exit": 0, "reason": None})


async def test_a_session_that_ends_meanwhile_ends_it(admin, limits, stage):
    limits.check_s = 0.05
    async with connected(admin, "sleep 1000") as socket:
        await started(socket)
        await admin.send("/logout", page="/account")
        assert "You are signed out" in (await output(socket))[1]["error"]
    await until(lambda: gone(stage))


async def test_a_role_that_is_taken_away_meanwhile_ends_it(client, limits, main, stage):
    limits.check_s = 0.05
    member = await stage.member(Role.DEVELOPER)
    await client.sign_in(member)
    async with connected(client, "sleep 1000") as socket:
        await started(socket)
        await organizations.change_role(stage.panel, main, member.email, Role.VIEWER, stage.admin)
        assert "Your role does not allow this" in (await output(socket))[1]["error"]
    await until(lambda: gone(stage))


async def test_other_sites_cannot_connect(admin, stage):
    for sent in ("http://rocket.localhost:8080", "null", f"{ORIGIN}.example.com", ""):
        with pytest.raises(WSServerHandshakeError) as refused:
            async with connected(admin, Origin=sent):
                pass
        assert refused.value.status == 403
    assert stage.panel.scheduler.runs == []


async def test_without_a_session_nobody_connects(client, stage):
    with pytest.raises(WSServerHandshakeError) as refused:
        async with connected(client):
            pass
    assert refused.value.request_info.url.path == "/login"
    assert stage.panel.scheduler.runs == []


@pytest.mark.parametrize(("proxy", "page"), [("wss", "https"), ("ws", "http"), ("https", "https")])
def test_behind_the_proxy_a_websocket_has_the_origin_of_its_page(proxy, page):
    request = make_mocked_request("GET", PATH, headers={"Host": HOST, "X-Forwarded-Proto": proxy})
    assert origin(request) == f"{page}://{HOST}"


NO_COMMANDS = (
    "", "{", "[]", "null", '{"command": "true"}', '{"command": "true", "columns": 0, "rows": 1}',
    '{"command": 1, "columns": 80, "rows": 24}', '{"command": "true", "columns": 80, "rows": 99999999999}',
    '{"command": "", "columns": 80, "rows": 24}', '{"command": "a\\u0000", "columns": 80, "rows": 24}',
    '{"command": "true", "columns": 80, "rows": 24, "more": 1}', "[" * 5000,
)  # fmt: skip


async def test_what_is_no_command_is_refused(admin, stage):
    for first in NO_COMMANDS:
        async with connected(admin) as socket:
            await socket.send_str(first)
            assert (await output(socket))[1]["error"], first
    async with connected(admin) as socket:
        await socket.send_bytes(b"true")
        assert "not JSON" in (await output(socket))[1]["error"]
    assert stage.panel.scheduler.runs == []


async def test_what_is_no_notice_ends_it(admin, stage):
    for notice in ("x", '{"columns": -1, "rows": 2}', '{"seen": -1}', '{"seen": "1"}'):
        async with connected(admin, "sleep 1000") as socket:
            await started(socket)
            await socket.send_str(notice)
            assert (await output(socket))[1]["error"], notice
    await until(lambda: gone(stage))


async def test_without_a_release_it_says_so(admin, stage):
    await stage.app("early")
    async with connected(admin, "true", "/apps/early/console/socket") as socket:
        assert "has no release yet" in (await output(socket))[1]["error"]
