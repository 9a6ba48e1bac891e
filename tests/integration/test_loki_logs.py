"""The logs of a panel with a Loki. Lines are written to files and shipped; they are read from Loki, or from files while it is away."""

import asyncio
import re
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.log import LogLine, LogQuery, Source, printed
from skypanel.domain.loki import Loki, Parcel
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.logs import outgoing as outgoing_module
from skypanel.drivers.logs.files import FileLogs
from skypanel.drivers.logs.outgoing import OutgoingFiles
from skypanel.drivers.loki import chosen as chosen_module
from skypanel.drivers.loki import logs as logs_module
from skypanel.drivers.loki.chosen import ChosenLogs
from skypanel.drivers.loki.store import LokiStore
from skypanel.engines.log_files import open_store
from skypanel.flow import loki as loki_flow
from skypanel.flow import settings
from skypanel.flow.loki import LokiPace
from skypanel.store import apps
from tests.contracts.logs import APP, LogsContract
from tests.fixtures.loki import loki_stand_in
from tests.support.server_sent_events import events
from tests.support.until import until

PACE = LokiPace(refresh_s=0.02, collect_s=0.02, pause_s=lambda _failures: 0.01)


@pytest.fixture
async def loki():
    async with loki_stand_in() as (stand_in, url):
        stand_in.url = url
        yield stand_in


@pytest.fixture
def quick(monkeypatch):
    """Settings apply at once, and new lines are asked for often."""
    monkeypatch.setattr(chosen_module, "CHOSEN_S", 0.0)
    monkeypatch.setattr(logs_module, "POLL_S", 0.02)


def shipper(outgoing, store):
    """Return what sends what the files have."""
    lock = asyncio.Lock()

    async def ship():
        async with lock:
            await outgoing.collect()
            while parcel := await outgoing.first():
                await store.push(str(APP.organization_id), parcel)
                await outgoing.remove(parcel)

    return ship


class ShippedLogs:
    """Logs whose lines are in Loki before they are read."""

    def __init__(self, logs, outgoing, store):
        self._logs = logs
        self._ship = shipper(outgoing, store)

    def __getattr__(self, name):
        return getattr(self._logs, name)

    async def read(self, *args, **options):
        await self._ship()
        async with aclosing(self._logs.read(*args, **options)) as lines:
            async for line in lines:
                yield line

    async def all(self, *args):
        await self._ship()
        async with aclosing(self._logs.all(*args)) as lines:
            async for line in lines:
                yield line

    async def count(self, *args):
        await self._ship()
        return await self._logs.count(*args)

    async def forget(self, app_id):
        await self._logs.forget(app_id, APP.organization_id)

    async def ship_on(self):
        while True:
            await self._ship()
            await asyncio.sleep(0.02)


class TestChosenLogs(LogsContract):
    @pytest.fixture
    async def logs(self, loki, tmp_path, quick):
        chosen, outgoing, store = Loki(loki.url), OutgoingFiles(tmp_path), LokiStore(Loki(loki.url))

        async def choose():
            return chosen

        logs = ChosenLogs(FileLogs(tmp_path, SystemClock()), choose, SystemClock())
        await outgoing.collect()
        made = ShippedLogs(logs, outgoing, store)
        shipping = asyncio.create_task(made.ship_on())
        yield made
        shipping.cancel()
        await asyncio.wait({shipping})
        assert logs.trouble() is None
        await store.close()
        await logs.close()

    @pytest.fixture
    def say(self, tmp_path):
        def say(name, *texts):
            lines = [line for text in texts for line in printed(name, datetime.now(UTC), text)]
            (tmp_path / str(APP.id)).mkdir(exist_ok=True)
            with (tmp_path / str(APP.id) / f"{name}.log").open("a") as file:
                file.writelines(f"{line}\n" for line in lines)

        return say


@pytest.fixture
async def stage(stage, tmp_path, quick):
    """Its lines are in files, and in Loki once one is set."""
    stage.outgoing = OutgoingFiles(tmp_path / "logs")
    (tmp_path / "logs").mkdir()
    files = FileLogs(tmp_path / "logs", SystemClock())
    logs = ChosenLogs(files, lambda: loki_flow.chosen(stage.panel.database, stage.panel.cipher), SystemClock())
    stage.panel = replace(stage.panel, logs=logs, clock=SystemClock())
    stage.files = files
    stage.begun = (tmp_path / "logs" / "outgoing" / "positions.json").exists
    yield stage
    await logs.close()


@asynccontextmanager
async def shipping(stage, pace=PACE):
    task = asyncio.create_task(loki_flow.ship(stage.panel, stage.outgoing, open_store, pace))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def choose(stage, **values):
    await settings.change(stage.panel, stage.admin, values)


async def texts(logs, app, query=None):
    return [line.text async for line in logs.read(app, query or LogQuery(limit=1000))]


async def say(stage, app, *of_app):
    for each in of_app:
        await stage.panel.logs.write(app, each)


def has(stage, loki, *expected):
    """Whether these texts are in Loki, in whatever tenant."""
    stored = sorted(key[:2] for entries in loki.entries.values() for key in entries)
    return [text for _, text in stored] == list(expected)


async def test_lines_are_shipped_to_the_organizations_tenant_from_when_a_loki_is_set(stage, app, loki):
    await say(stage, app, "before")
    async with shipping(stage):
        await choose(stage, loki_url=loki.url)
        await until(stage.begun)
        await say(stage, app, "one", "two")
        await until(lambda: has(stage, loki, "one", "two"))
    assert list(loki.entries) == [str(app.organization_id)]
    assert await texts(stage.panel.logs, app) == ["one", "two"]
    await choose(stage, loki_url="")
    assert await texts(stage.panel.logs, app) == ["before", "one", "two"]


async def begun(stage, app, loki):
    """Ship until Loki has the first line."""
    await choose(stage, loki_url=loki.url)
    await until(stage.begun)
    await say(stage, app, "first")
    await until(lambda: has(stage, loki, "first"))


@pytest.mark.parametrize("fault", [429, 500, "garbage"])
async def test_what_loki_does_not_take_is_sent_again_in_order(stage, app, loki, fault):
    async with shipping(stage):
        await begun(stage, app, loki)
        loki.faults = [fault if fault != "garbage" else 503] * 5
        await say(stage, app, "one", "two", "three")
        await until(lambda: has(stage, loki, "first", "one", "two", "three"))


async def test_after_a_restart_it_goes_on_where_it_was_though_files_were_rotated(stage, app, loki, tmp_path):
    async with shipping(stage):
        await begun(stage, app, loki)
    await say(stage, app, "meanwhile")
    file = tmp_path / "logs" / str(app.id) / "api.log"
    file.replace(f"{file}.1")
    await say(stage, app, "rotated")
    stage.outgoing = OutgoingFiles(tmp_path / "logs")
    async with shipping(stage):
        await until(lambda: has(stage, loki, "first", "meanwhile", "rotated"))


async def test_a_full_buffer_drops_the_oldest_lines_and_the_apps_log_says_how_many(stage, app, loki, tmp_path):
    stage.outgoing = OutgoingFiles(tmp_path / "logs", max_bytes=1000)
    async with shipping(stage):
        await begun(stage, app, loki)
        loki.faults = [500] * 100_000

        async def told():
            await say(stage, app, "a line")
            return [text for text in await texts(stage.files, app) if "lines were dropped before Loki had them" in text]

        await until(told)
        loki.faults.clear()
        await say(stage, app, "last")
        await until(lambda: "last" in {key[1] for entries in loki.entries.values() for key in entries})


async def test_lines_that_loki_refuses_are_told_and_hold_up_nothing(stage, app, loki):
    async with shipping(stage):
        await begun(stage, app, loki)
        await stage.files.append(app.id, [LogLine("web.1", datetime.now(UTC) - timedelta(days=30), "of another time")])
        await say(stage, app, "next")
        await until(lambda: "next" in {key[1] for entries in loki.entries.values() for key in entries})

        async def told():
            return [text for text in await texts(stage.files, app) if "Some lines are not in Loki" in text]

        [notice] = await until(told)
        assert "timestamp too old" in notice


async def test_a_parcel_of_an_app_that_is_gone_is_left_out(stage, app, loki):
    async with shipping(stage):
        await begun(stage, app, loki)
        other = await stage.app("other")
        async with stage.panel.transaction() as conn:
            await apps.remove(conn, other.id)
        await stage.files.append(other.id, [LogLine("web.1", datetime.now(UTC), "of nobody")])
        await say(stage, app, "two")
        await until(lambda: has(stage, loki, "first", "two"))


async def test_a_disk_that_refuses_and_a_database_that_is_away_only_delay(stage, app, loki, monkeypatch):
    async with shipping(stage) as task:
        await begun(stage, app, loki)
        with monkeypatch.context() as broken:
            failed = asyncio.Event()

            def refuse(*_args):
                failed.set()
                raise OSError(28, "No space left on device")

            broken.setattr(outgoing_module, "_replace", refuse)
            await say(stage, app, "kept")
            await asyncio.wait_for(failed.wait(), 60)
        with monkeypatch.context() as broken:
            asked = asyncio.Event()

            async def away(*_args):
                asked.set()
                raise Unavailable("The database does not answer.")

            broken.setattr(loki_flow, "chosen", away)
            await asyncio.wait_for(asked.wait(), 60)
        await until(lambda: has(stage, loki, "first", "kept"))
        assert not task.done()


async def test_with_loki_down_lines_come_from_the_files_and_it_says_so_until_it_is_back(stage, app, loki, monkeypatch):
    async with shipping(stage):
        await begun(stage, app, loki)
    monkeypatch.setattr(chosen_module, "AGAIN_S", 0.0)
    loki.faults = [500]
    await say(stage, app, "only in a file")
    assert await texts(stage.panel.logs, app) == ["first", "only in a file"]
    assert "Loki answered 500" in stage.panel.logs.trouble()
    assert await texts(stage.panel.logs, app) == ["first"]
    assert stage.panel.logs.trouble() is None


@pytest.mark.req("R7.5")
async def test_with_loki_down_the_page_says_so_and_shows_the_lines_of_the_files_until_it_is_back(stage, admin, app, loki, monkeypatch):
    async with shipping(stage):
        await begun(stage, app, loki)
    monkeypatch.setattr(chosen_module, "AGAIN_S", 0.0)
    await say(stage, app, "only in a file")
    loki.faults = [500]
    page = await admin.page("/apps/hello/logs")
    assert "Loki answered 500" in page
    assert "only in a file" in page
    page = await admin.page("/apps/hello/logs")
    assert "Loki" not in page
    assert "only in a file" not in page


@pytest.mark.req("R3.5")
@pytest.mark.req("R7.1")
async def test_lines_stream_from_loki_to_the_page(stage, admin, app, loki):
    async with shipping(stage):
        await begun(stage, app, loki)
        page = await admin.page("/apps/hello/logs")
        assert "first" in page
        after = re.search(r'data-after="([^"]+)"', page)[1]
        async with events(admin, "/apps/hello/logs", params={"after": after}) as reader:
            await say(stage, app, "second")
            await until(lambda: has(stage, loki, "first", "second"))
            assert [line.text for line in (await reader.lines(1))[0]] == ["second"]
    assert stage.panel.logs.trouble() is None


async def test_a_tail_goes_on_with_the_files_where_loki_ends(stage, app, loki):
    async with shipping(stage):
        await begun(stage, app, loki)
        async with asyncio.timeout(60), aclosing(stage.panel.logs.read(app, LogQuery(limit=1), follow=True)) as reader:
            assert (await anext(reader)).text == "first"
            loki.faults = [500] * 100_000
            await say(stage, app, "second")
            assert (await anext(reader)).text == "second"
            assert stage.panel.logs.trouble() is not None


async def test_a_loki_that_did_not_answer_is_not_asked_for_a_moment(stage, app, loki):
    async with shipping(stage):
        await begun(stage, app, loki)
    loki.faults = [500]
    await texts(stage.panel.logs, app)
    loki.faults = [500] * 10
    assert await texts(stage.panel.logs, app) == ["first"]
    assert len(loki.faults) == 10


async def test_an_app_that_is_destroyed_is_forgotten_there_too(stage, app, loki):
    await choose(stage, loki_url=loki.url)
    await stage.panel.logs.forget(app.id, app.organization_id)
    [(tenant, asked)] = loki.deleted
    assert tenant == str(app.organization_id)
    assert str(app.id) in asked["query"]
    loki.faults = [404]
    await stage.panel.logs.forget(app.id, app.organization_id)


async def test_a_damaged_buffer_is_read_as_far_as_it_goes(tmp_path):
    outgoing = OutgoingFiles(tmp_path)
    await outgoing.collect()
    (tmp_path / "outgoing" / "000000000001").write_bytes(b"nonsense\n\xff\n")
    stored = f"{APP.id} {LogLine('web.1', datetime.now(UTC), 'good', Source.APP)}\n"
    (tmp_path / "outgoing" / "000000000002").write_text(f"{stored[:-9]}\n{stored}x")
    parcel = await outgoing.first()
    assert (parcel.name, [line.text for line in parcel.lines[APP.id]]) == ("000000000002", ["good"])
    assert parcel.size == 1
    await outgoing.remove(parcel)
    await outgoing.remove(parcel)
    assert await outgoing.first() is None
    (tmp_path / "outgoing" / "positions.json").write_text("[]")
    assert (await OutgoingFiles(tmp_path).collect()).lines == 0
    assert isinstance(parcel, Parcel)
