"""The contract of the port Logs. A subclass provides the fixtures `logs`, and `say`, which writes lines of a dyno of `APP`."""

import asyncio
import re
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from skypanel.domain.app import App
from skypanel.domain.errors import Invalid
from skypanel.domain.histogram import Buckets
from skypanel.domain.log import Cursor, Level, LogLine, LogQuery, Source, printed
from skypanel.domain.plan import Plan

PLAN = Plan(UUID(int=3), "Standard", 1, 1.0, 1, 1, Decimal(1))
APP = App(UUID(int=1), 1, "hello", UUID(int=2), PLAN, datetime.now(UTC))
OTHER = App(UUID(int=4), 2, "other", UUID(int=2), PLAN, datetime.now(UTC))
FOLLOW_S = 10
# Some stores take no older lines than those of the last days.
BEGUN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def at(second):
    return BEGUN + timedelta(seconds=second)


VARIOUS = [
    LogLine("web.1", at(0), "starting"),
    LogLine("web.1", at(1), '{"level": "info", "message": "serving"}'),
    LogLine("web.2", at(2), "[ERROR] status=500"),
    LogLine("worker.1", at(3), "level=warn queue=long"),
    LogLine("worker.1", at(4), "status=404"),
    LogLine("web.1", at(5), "State changed from up to crashed", Source.SYSTEM),
]


BAD_PATTERNS = ["(", "a" * 501, r"(a)\1", "(?=a)", "x{1001}", "\ud800"]


def texts(lines):
    return [line.partition(": ")[2] for line in lines]


async def read(logs, app=APP, **options):
    return [str(line) async for line in logs.read(app, LogQuery(**options))]


async def found(logs, query):
    return [line.text async for line in logs.read(APP, query)]


class LogsContract:
    async def test_an_app_without_logs_has_no_lines(self, logs):
        assert await read(logs) == []

    async def test_a_line_knows_its_time_source_dyno_level_and_text(self, logs):
        written = [
            LogLine("web.1", at(1), "level=warn slow"),
            LogLine("web.1", at(2), "State changed from up to crashed", Source.SYSTEM),
            LogLine("release.1", at(3), "migrated", Source.RELEASE),
        ]
        await logs.append(APP.id, written)
        await logs.write(APP, "at=error code=H10", Source.ROUTER)
        await logs.write(APP, "Error R14", Source.SYSTEM, "web.1")
        await logs.write(APP, "Build succeeded", Source.BUILD)
        stored = [line async for line in logs.read(APP)]
        assert set(written) <= set(stored)
        assert {(line.source, line.dyno, line.level, line.text) for line in stored} == {
            (Source.APP, "web.1", Level.WARNING, "level=warn slow"),
            (Source.SYSTEM, "web.1", None, "State changed from up to crashed"),
            (Source.RELEASE, "release.1", None, "migrated"),
            (Source.ROUTER, "", Level.ERROR, "at=error code=H10"),
            (Source.SYSTEM, "web.1", None, "Error R14"),
            (Source.BUILD, "", None, "Build succeeded"),
        }

    @pytest.mark.req("R7.2")
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (LogQuery(since=at(2)), [2, 3, 4, 5]),
            (LogQuery(until=at(2)), [0, 1]),
            (LogQuery(since=at(1), until=at(4), limit=2), [2, 3]),
            (LogQuery(since=at(1), from_start=True, limit=2), [1, 2]),
            (LogQuery(words=("STATUS", "500")), [2]),
            (LogQuery(pattern="status=[45]0."), [2, 4]),
            (LogQuery(pattern="^status", words=("404",)), [4]),
            (LogQuery(levels=frozenset({Level.ERROR, Level.WARNING})), [2, 3]),
            (LogQuery(sources=frozenset({Source.SYSTEM})), [5]),
            (LogQuery(dyno="worker"), [3, 4]),
            (LogQuery(dyno="web.1", limit=1), [5]),
            (LogQuery(limit=0), []),
        ],
    )
    async def test_lines_are_found_by_time_words_pattern_level_source_and_dyno(self, logs, query, expected):
        await logs.append(APP.id, VARIOUS)
        assert [line async for line in logs.read(APP, query)] == [VARIOUS[number] for number in expected]

    @pytest.mark.req("R7.2")
    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    async def test_pages_go_back_and_forth_over_every_line_once_even_if_times_are_equal(self, logs, limit):
        lines = [LogLine(f"web.{dyno}", at(second), f"{second} {dyno}") for second in (0, 1, 1, 2, 2, 2, 3) for dyno in (1, 2)]
        await logs.append(APP.id, lines)
        query, pages = LogQuery(limit=limit), []
        while page := [line async for line in logs.read(APP, query)]:
            pages.append(page)
            query = query.older(page)
        back = [line for page in reversed(pages) for line in page]
        assert sorted(back, key=str) == sorted(lines, key=str)
        assert [line.time for line in back] == sorted(line.time for line in lines)
        forth = list(pages[-1])
        query = LogQuery(limit=limit).newer(pages[-1])
        while page := [line async for line in logs.read(APP, query)]:
            forth += page
            query = query.newer(page)
        assert forth == back

    async def test_all_lines_come_in_order_whatever_the_limit(self, logs):
        lines = [LogLine(f"web.{number % 3 + 1}", at(number // 4), f"line {number:05}") for number in range(2500)]
        await logs.append(APP.id, lines)
        everything = [line async for line in logs.all(APP, LogQuery(limit=1))]
        assert [line.time for line in everything] == [line.time for line in lines]
        assert sorted(everything, key=lambda line: line.text) == lines
        some = [line.text async for line in logs.all(APP, LogQuery(words=("LINE",), pattern="00[05]0$", dyno="web.2"))]
        assert some == [line.text for line in lines if line.dyno == "web.2" and re.search("00[05]0$", line.text)]
        rest = LogQuery(newer_than=Cursor(everything[-9].time, sum(line.time == everything[-9].time for line in everything)))
        newest = [line async for line in logs.all(APP, rest)]
        assert newest == [line for line in everything if line.time > everything[-9].time]

    @pytest.mark.parametrize("pattern", BAD_PATTERNS)
    async def test_a_bad_pattern_is_invalid_for_all_lines_and_their_number(self, logs, pattern):
        with pytest.raises(Invalid):
            _ = [line async for line in logs.all(APP, LogQuery(pattern=pattern))]
        with pytest.raises(Invalid):
            await logs.count(APP, LogQuery(pattern=pattern), Buckets.over(at(0), at(10)))

    async def test_lines_and_errors_are_counted_by_time(self, logs):
        # Not at the edges of seconds, which belong to either side.
        half = timedelta(milliseconds=500)
        await logs.append(APP.id, [LogLine(line.dyno, line.time + half, line.text, line.source) for line in VARIOUS])
        await logs.append(APP.id, [LogLine("web.1", at(2) + half, '{"level": "fatal"}'), LogLine("web.1", at(-5) + half, "before")])
        buckets = Buckets.over(at(0), at(6))
        assert (buckets.step, buckets.number) == (timedelta(seconds=1), 6)
        counted = await logs.count(APP, LogQuery(limit=1), buckets)
        assert (list(counted.lines), list(counted.failures), counted.begin) == ([1, 1, 2, 1, 1, 1], [0, 0, 2, 0, 0, 0], None)
        some = await logs.count(APP, LogQuery(words=("STATUS",), dyno="web"), buckets)
        assert (list(some.lines), list(some.failures)) == ([0, 0, 1, 0, 0, 0], [0, 0, 1, 0, 0, 0])
        assert sum((await logs.count(OTHER, LogQuery(), buckets)).lines) == 0

    @pytest.mark.parametrize("since", [datetime(1, 1, 1, tzinfo=UTC), BEGUN - timedelta(days=366)])
    async def test_a_year_or_all_time_may_be_asked_for(self, logs, since):
        await logs.append(APP.id, VARIOUS)
        for end in (None, datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)):
            assert len(await found(logs, LogQuery(since=since, until=end))) == len(VARIOUS)
            assert [line async for line in logs.all(APP, LogQuery(since=since, until=end))] == VARIOUS
        assert len(await found(logs, LogQuery(newer_than=Cursor(since, 3), from_start=True))) == len(VARIOUS)
        assert await found(logs, LogQuery(older_than=Cursor(since, 3))) == []
        counted = await logs.count(APP, LogQuery(), Buckets.over(since, BEGUN + timedelta(minutes=1)))
        assert sum(counted.lines) == len(VARIOUS)

    async def test_following_shows_only_what_the_query_admits(self, logs, say):
        say("web.1", "b", "c")
        query = LogQuery(dyno="web", pattern="[bd]$", limit=1)
        async with asyncio.timeout(FOLLOW_S), aclosing(logs.read(APP, query, follow=True)) as reader:
            assert (await anext(reader)).text == "b"
            say("web.1", "c")
            say("worker.1", "d")
            say("web.1", "d")
            line = await anext(reader)
            assert (line.dyno, line.text) == ("web.1", "d")

    @pytest.mark.parametrize("pattern", BAD_PATTERNS)
    async def test_a_bad_pattern_is_invalid(self, logs, pattern):
        with pytest.raises(Invalid):
            await found(logs, LogQuery(pattern=pattern))

    async def test_no_pattern_takes_long(self, logs):
        await logs.append(APP.id, printed("web.1", at(0), "a" * 16_000))
        async with asyncio.timeout(FOLLOW_S):
            assert await found(logs, LogQuery(pattern="(a*)*(a|aa)+$b")) == []

    async def test_a_line_has_a_time_and_says_who_wrote_it(self, logs, say):
        say("web.1", "serving")
        await logs.write(APP, "Release v2")
        await logs.write(APP, "at=error", Source.ROUTER)
        time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"
        first, second, third = sorted(await read(logs), key=lambda line: "api" in line or 2 * ("router" in line))
        assert re.fullmatch(rf"{time} app\[web\.1\]: serving", first)
        assert re.fullmatch(rf"{time} app\[api\]: Release v2", second)
        assert re.fullmatch(rf"{time} skypanel\[router\]: at=error", third)

    async def test_apps_are_apart(self, logs, say):
        say("web.1", "mine")
        assert await read(logs, OTHER) == []

    async def test_one_dyno_or_one_type_can_be_read_alone(self, logs, say):
        for name in ("web.1", "web.2", "web-admin.1"):
            say(name, name)
        assert texts(await read(logs, dyno="web.2")) == ["web.2"]
        assert texts(await read(logs, dyno="web")) == ["web.1", "web.2"]
        assert texts(await read(logs, dyno="w")) == []

    @pytest.mark.parametrize("lines", [0, 1, 3, 100])
    async def test_the_last_lines_come_oldest_first(self, logs, say, lines):
        say("web.1", *"abcde")
        assert texts(await read(logs, limit=lines)) == (list("abcde")[-lines:] if lines else [])

    async def test_following_shows_what_comes_once_and_in_order(self, logs, say):
        say("web.1", "before", "last")
        async with asyncio.timeout(FOLLOW_S), aclosing(logs.read(APP, LogQuery(limit=1), follow=True)) as reader:
            assert (await anext(reader)).text == "last"
            for number in range(3):
                say("web.1", f"line {number}")
                assert (await anext(reader)).text == f"line {number}"
            say("worker.1", "a new dyno")
            assert (await anext(reader)).text == "a new dyno"

    async def test_following_an_app_without_logs_waits_for_its_first_line(self, logs, say):
        async with asyncio.timeout(FOLLOW_S), aclosing(logs.read(APP, follow=True)) as reader:
            waiting = asyncio.ensure_future(anext(reader))
            await asyncio.sleep(0)
            say("web.1", "first")
            assert (await waiting).text == "first"

    async def test_nothing_controls_the_readers_terminal(self, logs, say):
        say("web.1", "\x1b[2J\x1b[31mred")
        await logs.write(APP, "two\nlines\x1bc")
        assert sorted(texts(await read(logs))) == ["\x1b[31mred\x1b[0m", "twolines"]

    @pytest.mark.req("R7.4")
    async def test_the_oldest_line_there_is_is_known(self, logs):
        assert await logs.oldest(APP) is None
        await logs.append(APP.id, [LogLine("web.2", at(7), "later"), *VARIOUS[1:]])
        assert len(await read(logs)) == len(VARIOUS)
        assert await logs.oldest(APP) == VARIOUS[1].time
        assert await logs.oldest(OTHER) is None

    async def test_lines_that_others_collected_are_there_once_until_the_app_is_forgotten(self, logs):
        one, two = (printed("web.1", at(0), text) for text in ("one", "[skypanel] two"))
        await logs.append(APP.id, one)
        await logs.append(APP.id, [*one, *two], again=True)
        assert texts(await read(logs)) == ["one", "two"]
        assert await logs.kept() == [APP.id]
        for _ in range(2):
            await logs.forget(APP.id)
        assert await read(logs) == []
        assert await logs.kept() == []
