"""The contract of the port Logs. A subclass provides the fixtures `logs`, and `say`, which writes lines of a dyno of `APP`."""

import asyncio
import re
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from skypanel.domain.app import App
from skypanel.domain.log import Source, printed
from skypanel.domain.plan import Plan

PLAN = Plan(UUID(int=3), "Standard", 1, 1.0, 1, 1, Decimal(1))
APP = App(UUID(int=1), 1, "hello", UUID(int=2), PLAN, datetime.now(UTC))
OTHER = App(UUID(int=4), 2, "other", UUID(int=2), PLAN, datetime.now(UTC))
FOLLOW_S = 10


def texts(lines):
    return [line.partition(": ")[2] for line in lines]


async def read(logs, app=APP, **options):
    return [line async for line in logs.read(app, **options)]


class LogsContract:
    async def test_an_app_without_logs_has_no_lines(self, logs):
        assert await read(logs) == []

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
        assert texts(await read(logs, lines=lines)) == (list("abcde")[-lines:] if lines else [])

    async def test_following_shows_what_comes_once_and_in_order(self, logs, say):
        say("web.1", "before", "last")
        async with asyncio.timeout(FOLLOW_S), aclosing(logs.read(APP, 1, follow=True)) as reader:
            assert texts([await anext(reader)]) == ["last"]
            for number in range(3):
                say("web.1", f"line {number}")
                assert texts([await anext(reader)]) == [f"line {number}"]
            say("worker.1", "a new dyno")
            assert texts([await anext(reader)]) == ["a new dyno"]

    async def test_following_an_app_without_logs_waits_for_its_first_line(self, logs, say):
        async with asyncio.timeout(FOLLOW_S), aclosing(logs.read(APP, follow=True)) as reader:
            waiting = asyncio.ensure_future(anext(reader))
            await asyncio.sleep(0)
            say("web.1", "first")
            assert texts([await waiting]) == ["first"]

    async def test_nothing_controls_the_readers_terminal(self, logs, say):
        say("web.1", "\x1b[2J\x1b[31mred")
        await logs.write(APP, "two\nlines\x1bc")
        assert sorted(texts(await read(logs))) == ["\x1b[31mred\x1b[0m", "twolines"]

    async def test_lines_that_others_collected_are_there_once_until_the_app_is_forgotten(self, logs):
        one, two = (printed("web.1", datetime(2024, 1, 1, tzinfo=UTC), text) for text in ("one", "[skypanel] two"))
        await logs.append(APP.id, one)
        await logs.append(APP.id, [*one, *two], again=True)
        assert texts(await read(logs)) == ["one", "two"]
        assert await logs.kept() == [APP.id]
        for _ in range(2):
            await logs.forget(APP.id)
        assert await read(logs) == []
        assert await logs.kept() == []
