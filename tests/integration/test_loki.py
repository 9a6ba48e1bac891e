"""Lines of apps in Loki: what is asked of it, what it answers, and what becomes of bad answers."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from skypanel.domain.errors import Invalid, Unavailable
from skypanel.domain.log import NEWEST, Level, LogLine, LogQuery, Source, printed
from skypanel.domain.loki import Loki
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.loki import client as client_module
from skypanel.drivers.loki.client import LokiClient
from skypanel.drivers.loki.logs import LokiLines
from skypanel.drivers.loki.wire import expression, nanoseconds, push_body
from tests.contracts.logs import APP, OTHER
from tests.fixtures.loki import REAL, loki_stand_in
from tests.support.until import until

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def stand_in():
    async with loki_stand_in() as (stand_in, url):
        stand_in.url = url
        yield stand_in


@pytest.fixture(params=["stand-in", *(["real"] if REAL else [])])
def either(request):
    """The stand-in and a real Loki: each has to answer as is written down here."""
    return REAL if request.param == "real" else request.getfixturevalue("stand_in").url


@pytest.fixture
async def client(either):
    client = LokiClient(Loki(either))
    yield client
    await client.close()


@pytest.fixture
def tenant():
    return f"test-{uuid4()}"


def push(*lines, labels=None, **metadata):
    values = [[str(nanoseconds(time)), text, metadata] for time, text in lines]
    return json.dumps({"streams": [{"stream": {"app": "hello"} if labels is None else labels, "values": values}]}).encode()


async def asked(client, tenant, expression='{app="hello"}', start=NOW - HOUR, end=NOW + HOUR, **options):
    found = await client.query(tenant, expression, nanoseconds(start), nanoseconds(end), **{"limit": 100} | options)
    return [each.line.text for each in found]


class TestAnswers:
    """What a real Loki 3 answered."""

    async def test_lines_are_found_by_labels_metadata_and_text(self, client, tenant):
        await client.push(tenant, push((NOW, "status=500"), level="error", dyno="web.1"))
        await client.push(tenant, push((NOW, "status=200"), level="info", dyno="web.2"))
        await client.push(tenant, push((NOW, "elsewhere"), labels={"app": "other"}))
        for steps, expected in {
            "": ["status=200", "status=500"],
            ' |~ "status=5[0-9]+" | level=~"error|warning" | dyno="web.1" or type="web.1"': ["status=500"],
            ' |~ "(?i)STATUS" | dyno="web.2"': ["status=200"],
            ' |= "nothing"': [],
        }.items():

            async def found(steps=steps):
                return await asked(client, tenant, f'{{app="hello"}}{steps}')

            await until(lambda found=found, expected=expected: _equals(found, expected))

    async def test_a_line_that_is_sent_again_is_stored_once(self, client, tenant):
        for _ in range(2):
            await client.push(tenant, push((NOW, "once"), dyno="web.1"))
        await until(lambda: _equals(lambda: asked(client, tenant), ["once"]))

    async def test_another_tenant_sees_nothing(self, client, tenant):
        await client.push(tenant, push((NOW, "mine")))
        await until(lambda: _equals(lambda: asked(client, tenant), ["mine"]))
        assert await asked(client, f"{tenant}-other") == []

    async def test_a_limit_gives_the_last_or_the_first_lines(self, client, tenant):
        await client.push(tenant, push(*((NOW + timedelta(seconds=number), str(number)) for number in range(5))))
        await until(lambda: _equals(lambda: asked(client, tenant, limit=2), ["3", "4"]))
        assert await asked(client, tenant, limit=2, forward=True) == ["0", "1"]
        assert await asked(client, tenant, start=NOW + timedelta(seconds=1), end=NOW + timedelta(seconds=3)) == ["1", "2"]

    @pytest.mark.parametrize(
        ("line", "said"),
        [((NOW - timedelta(days=8), "x"), "too old"), ((NOW + 2 * HOUR, "x"), "too new"), ((NOW, "x" * 300_000), "max entry size")],
    )
    async def test_one_bad_line_is_refused_and_the_others_are_stored(self, client, tenant, line, said):
        with pytest.raises(Invalid, match=said):
            await client.push(tenant, push((NOW, "good"), line))
        await until(lambda: _equals(lambda: asked(client, tenant), ["good"]))

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"expression": '{app="hello"} |~ "("'}, "missing"),
            ({"expression": "{}"}, "at least one"),
            ({"limit": 6000}, "max entries limit"),
            ({"start": NOW - timedelta(days=400)}, "time range exceeds"),
        ],
    )
    async def test_a_bad_query_is_refused(self, client, tenant, options, said):
        with pytest.raises(Invalid, match=said):
            await asked(client, tenant, **options)

    async def test_what_is_no_push_and_who_is_no_tenant_is_refused(self, client, tenant):
        with pytest.raises(Invalid):
            await client.push(tenant, b"{")
        with pytest.raises(Unavailable, match="401"):
            await client.push("", push((NOW, "x")))


async def _equals(ask, wanted):
    return sorted(await ask()) == wanted


def test_few_labels_make_streams():
    time = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        *printed("web.1", time, "level=error"),
        *printed("web.2", time, "hello"),
        LogLine("", time, "at=info ", Source.ROUTER),
    ]
    body = json.loads(push_body({APP.id: lines}))
    web = {"app": str(APP.id), "source": "app", "type": "web"}
    assert [stream["stream"] for stream in body["streams"]] == [web, {"app": str(APP.id), "source": "router", "type": "router"}]
    assert body["streams"][0]["values"] == [
        ["1767225600000000000", "level=error", {"dyno": "web.1", "level": "error"}],
        ["1767225600000000001", "hello", {"dyno": "web.2"}],
    ]


def test_a_query_is_logql_whatever_its_words_are():
    query = LogQuery(
        words=('a"b', "c.d"), pattern="\\d+`", levels=frozenset({Level.ERROR, Level.WARNING}), sources=frozenset({Source.APP}), dyno="web"
    )
    assert expression(APP.id, query) == (
        f'{{app="{APP.id}", source=~"app"}} '
        '|~ "(?i)a\\"b" |~ "(?i)c\\\\.d" |~ "\\\\d+`" | level=~"error|warning" | dyno="web" or type="web"'
    )


@pytest.fixture
async def lines(stand_in):
    lines = LokiLines(Loki(stand_in.url), SystemClock(), poll_s=0.02)
    yield lines
    await lines.client.close()


async def say(lines, *of_app, app=APP):
    await lines.client.push(str(app.organization_id), push_body({app.id: of_app}))


async def read(lines, query=NEWEST, app=APP):
    return [line async for line in lines.read(app, query)]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (429, "Loki answered 429"),
        (500, "Loki answered 500"),
        (302, "Loki answered 302"),
        ("garbage", "not JSON"),
        ("nonsense", "not one of Loki"),
        ("hang", "does not answer"),
    ],
)
async def test_bad_answers_are_an_unavailable_loki(lines, stand_in, fault, said, monkeypatch):
    monkeypatch.setattr(client_module, "ANSWER_S", 0.3)
    stand_in.faults = [fault]
    with pytest.raises(Unavailable, match=said):
        await read(lines)
    assert await read(lines) == []


async def test_a_loki_that_is_not_there_is_unavailable():
    lines = LokiLines(Loki("http://127.0.0.1:9"), SystemClock())
    with pytest.raises(Unavailable, match="does not answer"):
        await read(lines)
    await lines.client.close()


async def test_an_answer_without_end_is_cut_off(lines, stand_in, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 100)
    await say(lines, LogLine("web.1", NOW, "x" * 200))
    with pytest.raises(Unavailable, match="too long"):
        await read(lines)


async def test_a_query_over_a_year_is_several(lines):
    await say(lines, LogLine("web.1", NOW - timedelta(days=6), "old"), LogLine("web.1", NOW, "new"))
    year = LogQuery(since=NOW - timedelta(days=365))
    assert [line.text for line in await read(lines, year)] == ["old", "new"]
    assert [line.text for line in await read(lines, replace(year, from_start=True, limit=1))] == ["old"]


async def test_more_lines_than_loki_gives_at_once_are_all_read(lines):
    many = [LogLine("web.1", NOW + timedelta(milliseconds=number // 3), str(number)) for number in range(5200)]
    await say(lines, *many)
    for query in (LogQuery(limit=5100), LogQuery(limit=5100, from_start=True)):
        found = await read(lines, query)
        assert [line.text for line in found] == [line.text for line in (many[-5100:] if not query.from_start else many[:5100])]


async def test_a_tail_shows_lines_that_come_late(lines):
    async with asyncio.timeout(60), aclosing(lines.read(APP, LogQuery(limit=0), follow=True)) as reader:
        waiting = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0.1)
        now = datetime.now(UTC)
        await say(lines, LogLine("web.1", now, "of this node"))
        assert (await waiting).text == "of this node"
        await say(lines, LogLine("web.2", now - timedelta(seconds=1), "of a slow node"))
        assert (await anext(reader)).text == "of a slow node"


async def test_a_tail_ends_where_loki_does(lines, stand_in):
    async with asyncio.timeout(60), aclosing(lines.read(APP, LogQuery(limit=0), follow=True)) as reader:
        waiting = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0.1)
        stand_in.faults = [500] * 3
        with pytest.raises(Unavailable):
            await waiting


async def test_one_tenant_for_all_still_keeps_apps_apart(stand_in):
    lines = LokiLines(Loki(stand_in.url, "shared", "me", "s3cret"), SystemClock())
    await lines.client.push("shared", push_body({APP.id: [LogLine("web.1", NOW, "mine")]}))
    assert [line.text for line in await read(lines)] == ["mine"]
    assert await read(lines, app=OTHER) == []
    assert stand_in.authorizations == {"Basic bWU6czNjcmV0"}
    assert "s3cret" not in repr(Loki(stand_in.url, "shared", "me", "s3cret"))
    await lines.client.close()
