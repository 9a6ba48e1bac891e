"""The rendezvous as the Heroku CLI uses it, and as those use it who have no business there."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from skypanel.domain.access import Role
from skypanel.embedded.certificates import issue, make_authority, panel_hosts
from skypanel.flow import organizations
from skypanel.store import audit
from tests.support.until import until
from web import rendezvous
from web.keys import PENDING_RUNS

WITHIN_S = 60
STATUS = ' ; echo "\uffff heroku-command-exit-status: $?"'


@pytest.fixture
async def context(api, stage, tmp_path):
    """A client's TLS, and a rendezvous to go to: its port is in `port`."""
    now = datetime.now(UTC)
    authority = make_authority("localhost", now)
    pair = issue(authority, panel_hosts("localhost"), now)
    (tmp_path / "crt").write_bytes(pair.certificate)
    (tmp_path / "key").write_bytes(pair.key)
    made = ssl.create_default_context(cadata=authority.certificate.decode())
    certificate = (tmp_path / "crt", tmp_path / "key")
    async with rendezvous.listening(stage.panel, api.client.server.app[PENDING_RUNS], certificate, 0) as port:
        made.port = port
        yield made


async def asked(api, command, **body):
    """Ask for an attached dyno, and return what is shown of it and the secret."""
    response = await api.call("POST", "/apps/hello/dynos", {"command": command, "attach": True, **body}, status=201)
    shown = await response.json()
    scheme, _, rest = shown["attach_url"].partition("://")
    place, _, secret = rest.partition("/")
    assert (scheme, place) == ("rendezvous", "localhost:8444")
    return shown, secret


@asynccontextmanager
async def come(context, secret=None):
    """Connect as the CLI does; what is read first is the greeting."""
    reader, writer = await asyncio.open_connection("127.0.0.1", context.port, ssl=context, server_hostname="localhost")
    try:
        async with asyncio.timeout(WITHIN_S):
            if secret is not None:
                writer.write(f"{secret}\r\n".encode())
                assert await reader.readexactly(len(rendezvous.GREETING)) == rendezvous.GREETING
            yield reader, writer
    finally:
        writer.close()


async def one_offs(stage, app):
    return [dyno.key.name for dyno in await stage.panel.scheduler.one_offs(app.id)]


async def test_nothing_runs_until_somebody_comes(api, hello, stage, context):
    shown, secret = await asked(api, "cat; echo $NAME", env={"NAME": "Ada"})
    assert (shown["type"], shown["state"], shown["command"]) == ("run", "starting", "cat; echo $NAME")
    assert await one_offs(stage, hello) == []
    async with come(context, secret) as (reader, writer):
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"
        found = await api.get(f"/apps/hello/dynos/{shown['name']}")
        assert (found["id"], found["type"], found["state"]) == (shown["id"], "run", "up")
        writer.write(rendezvous.END_OF_INPUT)
        assert await reader.read() == b"Ada\n"
    await until(lambda: gone(stage, hello))
    async with come(context) as (reader, writer):
        writer.write(f"{secret}\r\n".encode())
        assert await reader.read() == b""


async def gone(stage, app):
    return not await one_offs(stage, app)


async def test_what_looks_like_the_end_of_the_input_and_is_not(api, hello, context):
    _, secret = await asked(api, "head -c 3 | od -An -c")
    async with come(context, secret) as (reader, writer):
        writer.write(b"a" + rendezvous.END_OF_INPUT)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"b")
        assert (await reader.read()).split() == [b"a", b"004", b"b"]


async def test_a_terminal_has_the_size_of_the_callers(api, hello, context):
    env = {"COLUMNS": 81, "LINES": "25", "TERM": "xterm"}
    _, secret = await asked(api, "stty size; echo $TERM; trap 'echo caught; exit' INT; echo ready; read line", env=env)
    async with come(context, secret) as (reader, writer):
        assert await reader.readuntil(b"ready\r\n") == b"25 81\r\nxterm\r\nready\r\n"
        writer.write(b"\x03")
        assert b"caught" in await reader.read()
    _, secret = await asked(api, "tty", env=env, force_no_tty=True)
    async with come(context, secret) as (reader, _):
        assert await reader.read() == b"not a tty\n"


@pytest.mark.parametrize("command", ["false", "yes | head -c 300000; exit 3"])
async def test_the_line_with_the_exit_status_comes_last(api, hello, context, command):
    _, secret = await asked(api, f"({command}){STATUS}")
    async with come(context, secret) as (reader, _):
        assert (await reader.read()).decode().endswith(f"\uffff heroku-command-exit-status: {1 if command == 'false' else 3}\n")


async def test_who_hangs_up_ends_the_dyno(api, hello, stage, context):
    _, secret = await asked(api, "echo ready; sleep 1000")
    async with come(context, secret) as (reader, _):
        assert await reader.readline() == b"ready\n"
    await until(lambda: gone(stage, hello))


async def test_a_client_that_reads_nothing_stops_nobody(api, hello, stage, context):
    _, secret = await asked(api, "yes")
    async with come(context, secret) as (reader, _):
        await reader.readline()
        _, other = await asked(api, "echo other")
        async with come(context, other) as (second, _):
            assert await second.read() == b"other\n"
    await until(lambda: gone(stage, hello))


async def test_a_token_that_is_revoked_ends_it(api, hello, stage, context):
    other = await api.act_as(await stage.member(Role.DEVELOPER))
    _, running = await asked(other, "echo ready; sleep 1000")
    _, waiting = await asked(other, "echo never")
    async with come(context, running) as (reader, _):
        assert await reader.readline() == b"ready\n"
        await other.call("DELETE", "/oauth/sessions/~", status=200)
        assert b"not yours" in await reader.read()
    async with come(context, waiting) as (reader, _):
        said = await reader.read()
        assert b"not yours" in said
        assert b"never" not in said
    await until(lambda: gone(stage, hello))


async def test_a_role_that_is_taken_away_meanwhile_counts(api, hello, stage, context):
    member = await stage.member(Role.DEVELOPER)
    _, secret = await asked(await api.act_as(member), "echo never")
    (organization, _), *_ = await organizations.mine(stage.panel, stage.admin)
    await organizations.change_role(stage.panel, organization, member.email, Role.VIEWER, stage.admin)
    async with come(context, secret) as (reader, _):
        assert b"never" not in await reader.read()


async def test_the_plan_bounds_those_who_come(api, hello, stage, context):
    secrets = [(await asked(api, "echo started"))[1] for _ in range(2)]
    for _ in range(hello.plan.max_replicas):
        await api.call("POST", "/apps/hello/dynos", {"command": "toil"}, status=201)
    await api.call("POST", "/apps/hello/dynos", {"command": "toil"}, status=409)
    async with come(context, secrets[0]) as (reader, _):
        assert b"as many as its plan allows" in await reader.read()
    await api.call("POST", "/apps/hello/formations/run/actions/stop", status=202)
    async with come(context, secrets[1]) as (reader, _):
        assert await reader.read() == b"started\n"


async def test_where_it_was_asked_for_is_on_record(api, hello, stage, context):
    body = {"command": "echo canary", "attach": True}
    response = await api.call("POST", "/apps/hello/dynos", body, status=201, X_Forwarded_For="192.0.2.7")
    async with come(context, (await response.json())["attach_url"].rpartition("/")[2]) as (reader, _):
        await reader.read()
    async with stage.panel.transaction() as conn:
        (row, *_) = rows = await audit.recent(conn, 5)
    assert (row.action, row.email, row.origin) == ("dyno.run", stage.admin.email, "api 192.0.2.7")
    assert "canary" not in repr(rows)


@pytest.mark.parametrize("said", [b"\r\n", b"x.y\r\n", b"GET / HTTP/1.1\r\n", b"\xff\xfe\n", b"a" * 100_000 + b"\n", b"a" * 1000])
async def test_who_knows_no_secret_is_sent_away(hello, stage, context, said):
    async with come(context) as (reader, writer):
        writer.write(said)
        writer.write_eof() if writer.can_write_eof() else writer.close()
        assert await reader.read() == b""
    assert await one_offs(stage, hello) == []


async def test_who_does_not_speak_tls_is_sent_away(context):
    reader, writer = await asyncio.open_connection("127.0.0.1", context.port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(WITHIN_S):
        assert b"HTTP" not in await reader.read()
    writer.close()


async def test_strangers_who_say_nothing_are_bounded_in_number_and_time(api, hello, stage, tmp_path, context):
    pending, certificate = api.client.server.app[PENDING_RUNS], (tmp_path / "crt", tmp_path / "key")
    async with rendezvous.listening(stage.panel, pending, certificate, 0, handshake_s=0.5) as context.port:
        await strangers(api, context)


async def strangers(api, context):
    silent = [await asyncio.open_connection("127.0.0.1", context.port) for _ in range(rendezvous.MAX_UNAUTHENTICATED + 10)]
    _, secret = await asked(api, "echo served")
    async with come(context, secret) as (reader, _):
        assert await reader.read() == b"served\n"
    async with asyncio.timeout(WITHIN_S):
        assert {await reader.read() for reader, _ in silent} == {b""}
    for _, writer in silent:
        writer.close()


async def test_those_who_are_there_are_sent_away_at_the_end(api, hello, stage, tmp_path, context):
    pending = api.client.server.app[PENDING_RUNS]
    async with rendezvous.listening(stage.panel, pending, (tmp_path / "crt", tmp_path / "key"), 0) as context.port:
        _, secret = await asked(api, "echo ready; sleep 1000")
        arrived = come(context, secret)
        reader, _ = await arrived.__aenter__()
        assert await reader.readline() == b"ready\n"
    async with asyncio.timeout(WITHIN_S):
        assert await reader.read() == b""
    await arrived.__aexit__(None, None, None)
    await until(lambda: gone(stage, hello))


async def test_detached_dynos_and_what_is_refused(api, hello, stage):
    shown = await (await api.call("POST", "/apps/hello/dynos", {"command": "toil", "attach": False}, status=201)).json()
    assert (shown["attach_url"], shown["size"]) == (None, "Standard")
    assert shown["name"] in [dyno["name"] for dyno in await api.get("/apps/hello/dynos")]
    await api.call("POST", f"/apps/hello/dynos/{shown['name']}/actions/stop", status=202)
    assert await one_offs(stage, hello) == []
    for bad in (
        {"command": " "}, {"command": "a", "env": {"PORT": "1"}}, {"command": "a", "env": {"a b": "1"}}, {"command": "a", "size": "Huge"},
        {"command": "a", "type": "web"}, {"command": "a", "time_to_live": 0}, {"command": "a", "env": {"A": None}},
    ):  # fmt: skip
        assert (await api.call("POST", "/apps/hello/dynos", bad)).status == 422, bad
    await stage.app("empty")
    assert "no release yet" in (await (await api.call("POST", "/apps/empty/dynos", {"command": "a"}, status=409)).json())["message"]


async def test_a_process_type_stands_for_its_command(api, hello, stage):
    await api.call("POST", "/apps/hello/dynos", {"command": "worker --fast"}, status=201)
    await api.call("POST", "/apps/hello/dynos", {"command": "workers --fast"}, status=201)
    assert [command for _, command in stage.panel.scheduler.runs] == ["toil --fast", "workers --fast"]


async def test_its_life_may_be_shorter(api, hello, context):
    _, secret = await asked(api, "echo ready; sleep 1000", time_to_live=1)
    async with come(context, secret) as (reader, _):
        assert b"The command was stopped" in await reader.read()


async def test_only_a_token_for_runs_may_run(api, hello, stage):
    for client in (await api.act_as(await stage.member(Role.VIEWER)), await api.act_as(stage.admin, "read")):
        await client.call("POST", "/apps/hello/dynos", {"command": "true"}, status=403)
