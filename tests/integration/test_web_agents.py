"""What nodes' agents ask for: over HTTP as the proxy passes it on."""

import asyncio
import hashlib
import io
import json
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.node import SecretKind, SshLogin
from skypanel.domain.report import Report
from skypanel.flow import accounts, heartbeat, stopping
from skypanel.flow.digest import digest as digest_of
from skypanel.store import nodes, stop_orders
from skypanel.store.tables.nodes import stop_orders as stop_orders_table
from tests.support import factories

TOKEN = "a-nodes-own-token"
BEAT = "/nodes/agent/heartbeat"
SLUGS = "/nodes/agent/slugs"
STOPS = "/nodes/agent/stops"
LOGS = "/nodes/agent/logs"
AS_AGENT = {"Authorization": f"Bearer {TOKEN}"}
REPORT = Report(2, 0.5, 4096, 1024, 8192, 2048, 3).to_json()


async def added(stage, name, token, member_id):
    login = SshLogin("10.0.0.2", 22, "root", "ssh-ed25519 AAAA", SecretKind.KEY, "a key")
    async with stage.panel.transaction() as conn:
        node = await nodes.add(conn, name, login, b"secret")
        await nodes.set_token(conn, node.id, digest_of(token))
        await nodes.set_member(conn, node.id, member_id)
    return node


@pytest.fixture
async def node(stage):
    return await added(stage, "one", TOKEN, "m1")


@pytest.fixture
async def digest(stage):
    app = await stage.app()
    await stage.push(app, "first")
    await stage.work()
    return hashlib.sha256(b"a slug").hexdigest()


async def now(stage, node):
    async with stage.panel.transaction() as conn:
        return await nodes.get(conn, node.id)


@pytest.mark.req("R5.4")
async def test_a_heartbeat_is_kept(client, stage, node):
    said = {
        **REPORT,
        "dynos": [{"app_id": str(node.id), "name": "web.1", "cpu_cores": 0.1, "memory_bytes": 5}],
        "staged": [factories.digest()],
    }
    assert (await client.post(BEAT, json=said, headers=AS_AGENT)).status == 200
    found = await now(stage, node)
    assert found.heartbeat_at
    assert (found.report.cpu_used, found.report.containers, found.report.dynos[0].name) == (0.5, 3, "web.1")
    assert list(found.report.staged) == said["staged"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer another"}, {"Authorization": "Bearer "}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": TOKEN},
     {"Authorization": "Bearer " + "a" * 5000}, {"Authorization": "Bearer ü"}],
)  # fmt: skip
@pytest.mark.parametrize(
    ("method", "path"), [("POST", BEAT), ("GET", SLUGS), ("GET", f"{SLUGS}/{'a' * 64}"), ("DELETE", f"{STOPS}/{'a' * 64}"), ("POST", LOGS)]
)
async def test_without_a_nodes_token_nothing_is_told(client, stage, node, digest, method, path, headers):  # noqa: PLR0917 - a case
    response = await client.request(method, path, json=REPORT if method == "POST" else None, headers=headers)
    assert response.status == 403
    assert digest not in await response.text()
    assert (await now(stage, node)).heartbeat_at is None


async def test_a_token_that_was_replaced_is_worthless(client, stage, node):
    async with stage.panel.transaction() as conn:
        await nodes.set_token(conn, node.id, digest_of("a new one"))
    assert (await client.post(BEAT, json=REPORT, headers=AS_AGENT)).status == 403


async def test_an_accounts_token_is_none_of_a_node(client, stage, node):
    token = await accounts.add_token(stage.panel, stage.admin, "for the CI")
    assert (await client.post(BEAT, json=REPORT, headers={"Authorization": f"Bearer {token}"})).status == 403


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"", 422),
        ("application/json", b"{", 422),
        ("application/json", b"[]", 422),
        ("application/json", b"\xff\xfe", 422),
        ("application/json", b"[" * 500_000, 422),
        ("application/json", b'{"cpu_cores": ' + b"9" * 6000 + b"}", 422),
        ("application/json", json.dumps({**REPORT, "cpu_cores": "x"}).encode(), 422),
        ("application/json", b'"' + b"a" * 2_000_000 + b'"', 413),
        ("text/plain", json.dumps(REPORT).encode(), 415),
        ("application/json; charset=klingon", json.dumps(REPORT).encode(), 200),
    ],
)
async def test_what_is_no_heartbeat_is_refused(client, stage, node, content_type, body, status):  # noqa: PLR0917 - a case
    response = await client.post(BEAT, data=io.BytesIO(body), headers={"Content-Type": content_type, **AS_AGENT})
    assert response.status == status
    assert response.headers["Request-Id"]
    assert ((await now(stage, node)).heartbeat_at is None) == (status != 200)


async def test_what_to_stage_is_told_and_the_next_answer_waits_for_a_change(client, stage, node, digest):
    said = await (await client.get(SLUGS, headers=AS_AGENT)).json()
    assert said["slugs"] == [digest]
    waiting = asyncio.create_task(client.get(SLUGS, params={"known": said["mark"]}, headers=AS_AGENT))
    other = await stage.app("other")
    stage.panel.builder.answer("tar -c", out=b"another slug")
    await stage.push(other, "second")
    await stage.work()
    later = await (await waiting).json()
    assert set(later["slugs"]) == {digest, hashlib.sha256(b"another slug").hexdigest()}


async def test_without_a_change_the_answer_comes_all_the_same(stage, node, digest):
    known = await heartbeat.orders(stage.panel, node, "")
    assert await heartbeat.orders(stage.panel, node, known.mark, wait_s=0.1) == known


@pytest.mark.parametrize("known", ["x", "a" * 65, "%00", "../"])
async def test_a_mark_that_is_none_is_refused(client, node, known):
    assert (await client.get(f"{SLUGS}?known={known}", headers=AS_AGENT)).status == 422


async def test_a_slug_is_sent(client, node, digest):
    response = await client.get(f"{SLUGS}/{digest}", headers=AS_AGENT)
    assert response.status == 200
    assert await response.read() == b"a slug"


async def test_a_slug_that_no_node_needs_is_not_found(client, stage, node, digest):
    assert (await client.get(f"{SLUGS}/{factories.digest()}", headers=AS_AGENT)).status == 404
    stage.panel.objects.stored.clear()
    assert (await client.get(f"{SLUGS}/{digest}", headers=AS_AGENT)).status == 404


CONTAINER = "c" * 64


async def stops(client, known, token=TOKEN):
    said = await (await client.get(SLUGS, params={"known": known}, headers={"Authorization": f"Bearer {token}"})).json()
    return said["stops"]


async def waiting(stage, node):
    async with stage.panel.transaction() as conn:
        return await stop_orders.of(conn, node.id)


async def test_an_order_to_stop_reaches_the_agent_that_waits_and_ends_when_it_is_carried_out(client, stage, node):
    mark = (await heartbeat.orders(stage.panel, node, "")).mark
    polling = asyncio.create_task(stops(client, mark))
    stopping_ = asyncio.create_task(stopping.stop_elsewhere(stage.panel.database, "m1", CONTAINER))
    assert await polling == [CONTAINER]
    assert await stops(client, mark) == [CONTAINER], "until it is carried out"
    assert not stopping_.done()
    for _ in range(2):
        assert (await client.delete(f"{STOPS}/{CONTAINER}", headers=AS_AGENT)).status == 200
    await stopping_
    assert await waiting(stage, node) == []


async def test_a_node_sees_and_ends_its_own_orders_alone(client, stage, node):
    await added(stage, "two", "another token", "m2")
    with pytest.raises(Unavailable, match="The node one did not stop the dyno"):
        await stopping.stop_elsewhere(stage.panel.database, "m1", CONTAINER, timeout_s=0.1)
    assert await stops(client, "", "another token") == []
    await client.delete(f"{STOPS}/{CONTAINER}", headers={"Authorization": "Bearer another token"})
    assert await stops(client, "") == [CONTAINER]


async def test_an_order_expires(client, stage, node):
    with pytest.raises(Unavailable):
        await stopping.stop_elsewhere(stage.panel.database, "m1", CONTAINER, timeout_s=0)
    async with stage.panel.transaction() as conn:
        await conn.execute(update(stop_orders_table).values(created_at=func.clock_timestamp() - stop_orders.LIFE))
    assert await stops(client, "") == []
    async with stage.panel.transaction() as conn:
        await stop_orders.add(conn, node.id, "d" * 64)
        kept = await conn.all(select(stop_orders_table.c.container))
    assert [row.container for row in kept] == ["d" * 64]


async def test_a_member_without_an_agent_stops_nothing(stage, node):
    with pytest.raises(NotFound, match="The Swarm's node m9 has no SkyPanel agent"):
        await stopping.stop_elsewhere(stage.panel.database, "m9", CONTAINER)


@pytest.mark.parametrize("container", ["c" * 63, "C" * 64, "..%2f" + "c" * 64])
async def test_what_is_no_container_cannot_be_told_of(client, node, container):
    assert (await client.delete(f"{STOPS}/{container}", headers=AS_AGENT)).status == 404


def lines(app_id, *texts, again=False, **fields):
    line = {"app_id": str(app_id), "dyno": "web.1", "time": "2024-01-01T00:00:00.000000001Z"} | fields
    return {"again": again, "lines": [{**line, "text": text} for text in texts]}


async def test_what_dynos_print_is_kept(client, stage, node):
    app = await stage.app()
    for _ in range(2):
        said = lines(app.id, "serving", "[skypanel] Checks the health", "\x1b[2J\x1b[31mred", again=True)
        assert (await client.post(LOGS, json=said, headers=AS_AGENT)).status == 200
    assert stage.panel.logs.lines[app.id] == [("web.1", "serving"), ("web.1", "Checks the health"), ("web.1", "\x1b[31mred\x1b[0m")]


async def test_lines_of_an_app_that_is_none_of_ours_are_dropped(client, stage, node):
    app = await stage.app()
    said = {"again": False, "lines": lines(uuid4(), "foreign")["lines"] + lines(app.id, "ours")["lines"]}
    assert (await client.post(LOGS, json=said, headers=AS_AGENT)).status == 200
    assert stage.panel.logs.lines == {app.id: [("web.1", "ours")]}


@pytest.mark.parametrize(
    "wrong",
    [{"dyno": "../web.1"}, {"dyno": "web"}, {"dyno": "web.1\n"}, {"dyno": 1}, {"app_id": "../.."}, {"time": "now"},
     {"time": "2024-13-01T00:00:00Z"}, {"text": 7}, {"text": "a" * 70_000}],
)  # fmt: skip
async def test_what_are_no_lines_is_refused(client, stage, node, wrong):
    app = await stage.app()
    said = lines(app.id, "a line")
    said["lines"][0] |= wrong
    assert (await client.post(LOGS, json=said, headers=AS_AGENT)).status == 422
    assert stage.panel.logs.lines == {}


@pytest.mark.parametrize(("body", "status"), [([], 422), ({}, 422), ({"again": 0, "lines": {}}, 422), ({"x": "a" * 2_000_000}, 413)])
async def test_a_batch_that_is_none_is_refused(client, node, body, status):
    sent = io.BytesIO(json.dumps(body).encode())
    assert (await client.post(LOGS, data=sent, headers={"Content-Type": "application/json", **AS_AGENT})).status == status
