"""Log drains: who gets which lines, and what becomes of those that cannot be sent."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network

import pytest
from sqlalchemy import text

from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.domain.log_drain import MAX_DRAINS
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.logs.files import FileLogs
from skypanel.flow import drain_shipping, log_drains, organizations, secrets, settings, transfer
from skypanel.flow.drain_shipping import Pace, ship
from skypanel.store import log_drains as rows
from skypanel.tasks import cancel
from tests.contracts.log_drains import LogDrainsContract
from tests.fakes.log_drains import FakeLogDrains
from tests.support.until import until

ONE, TWO = "https://one.example.com/k3y-of-a-hook", "syslog://two.example.com"
PACE = Pace(refresh_s=0.02, pause_s=lambda _failures: 0.01)


class TestFakeLogDrains(LogDrainsContract):
    @pytest.fixture
    def drains(self):
        made = FakeLogDrains()
        made.answers["syslog://127.0.0.9"] = Unavailable
        return made

    @pytest.fixture(name="url")
    def _url(self):
        return "syslog://localhost"

    @pytest.fixture(name="gone")
    def _gone(self):
        return "syslog://127.0.0.9"

    @pytest.fixture(name="networks")
    def _networks(self):
        return (ip_network("127.0.0.0/8"),)

    @pytest.fixture
    def received(self, drains, url):
        return lambda: drains.texts(url)


@pytest.fixture
async def stage(stage, tmp_path):
    """Its logs are files: a drain continues after a time, so lines need real ones."""
    stage.panel = replace(stage.panel, logs=FileLogs(tmp_path / "logs", SystemClock()), clock=SystemClock())
    return stage


@pytest.fixture
async def app(stage):
    return await stage.app()


@pytest.fixture
def drains(stage):
    return stage.panel.log_drains


async def add(stage, app, url=ONE):
    return await log_drains.add(stage.panel, app, stage.admin, url)


async def say(stage, app, *texts):
    for each in texts:
        await stage.panel.logs.write(app, each)


@asynccontextmanager
async def shipping(stage):
    task = asyncio.create_task(ship(stage.panel, PACE))
    try:
        yield task
    finally:
        await cancel([task], again_s=5)


async def test_each_drain_gets_each_line_of_its_app_from_when_it_was_added(stage, app, drains):
    other = await stage.app("other")
    await say(stage, app, "before")
    await add(stage, app)
    async with shipping(stage):
        await say(stage, app, "one")
        await say(stage, other, "of another app")
        await until(lambda: drains.texts(ONE) == ["one"])
        await add(stage, app, TWO)
        await say(stage, app, "two")
        await until(lambda: drains.texts(TWO) == ["two"])
        await say(stage, app, "three")
        await until(lambda: drains.texts(ONE) == ["one", "two", "three"] and drains.texts(TWO) == ["two", "three"])


async def test_a_drain_that_is_removed_gets_nothing_more(stage, app, drains):
    await add(stage, app)
    await add(stage, app, TWO)
    async with shipping(stage):
        await say(stage, app, "one")
        await until(lambda: drains.texts(ONE) and drains.texts(TWO))
        await log_drains.remove(stage.panel, app, stage.admin, ONE)
        await until(lambda: ONE in drains.closed)
        await say(stage, app, "two")
        await until(lambda: drains.texts(TWO) == ["one", "two"])
        assert drains.texts(ONE) == ["one"]


async def test_after_a_restart_it_continues_where_it_was(stage, app, drains):
    await add(stage, app)
    async with shipping(stage):
        await say(stage, app, "one")
        await until(lambda: drains.texts(ONE) == ["one"])
    await say(stage, app, "meanwhile")
    async with shipping(stage):
        await say(stage, app, "two")
        await until(lambda: drains.texts(ONE) == ["one", "meanwhile", "two"])


async def test_a_drain_that_fails_gets_the_same_shipment_again_and_its_page_says_so(stage, app, drains):
    drains.answers[ONE] = Unavailable
    await add(stage, app)
    async with shipping(stage):
        await say(stage, app, "one")

        async def error():
            [drain] = await log_drains.of(stage.panel, app)
            return drain.error

        await until(error)
        assert await error() == "It answered 503."
        drains.answers.clear()
        await until(lambda: drains.texts(ONE) == ["one"])
        await until(lambda: _is_none(error))


async def _is_none(ask):
    return await ask() is None


async def test_one_that_hangs_loses_only_its_own_lines_and_is_told_how_many(stage, app, drains, monkeypatch):
    monkeypatch.setattr(drain_shipping, "MAX_BACKLOG_BYTES", 2000)
    released, waiting = asyncio.Event(), asyncio.Event()

    async def hang():
        waiting.set()
        await released.wait()

    drains.answers[ONE] = hang
    await add(stage, app)
    await add(stage, app, TWO)
    lines = [f"line {number}" for number in range(30)]
    async with shipping(stage):
        await say(stage, app, "first")
        await asyncio.wait_for(waiting.wait(), 60)
        await say(stage, app, *lines)
        await until(lambda: drains.texts(TWO) == ["first", *lines])
        released.set()
        await until(lambda: drains.texts(ONE)[-1:] == lines[-1:])
        first, told, *rest = drains.texts(ONE)
        assert first == "first"
        assert rest == lines[-len(rest) :]
        assert f"{30 - len(rest)} messages dropped since" in told

        async def dropped():
            return {drain.shown: drain.dropped for drain in await log_drains.of(stage.panel, app)}

        await until(lambda: _equals(dropped, {"https://one.example.com/...": 30 - len(rest), "syslog://two.example.com": 0}))


async def _equals(ask, wanted):
    return await ask() == wanted


async def test_what_a_server_will_never_take_is_left_out_and_counted(stage, app, drains):
    drains.answers[ONE] = Invalid
    await add(stage, app)
    async with shipping(stage):
        await say(stage, app, "too much")

        async def dropped():
            [drain] = await log_drains.of(stage.panel, app)
            return drain.dropped

        await until(dropped)
        drains.answers.clear()
        await say(stage, app, "next")
        await until(lambda: drains.texts(ONE)[-1:] == ["next"])
        told, _ = drains.texts(ONE)
        assert "Error L10 (output buffer overflow): 1 messages dropped" in told


async def test_a_network_that_is_no_longer_allowed_gets_nothing(stage, app, drains):
    await settings.change(stage.panel, stage.admin, {"webhook_networks": "127.0.0.0/8"})
    await add(stage, app, "syslog://127.0.0.1")
    async with shipping(stage):
        await say(stage, app, "one")
        await until(lambda: drains.texts("syslog://127.0.0.1") == ["one"])
        await settings.change(stage.panel, stage.admin, {"webhook_networks": ""})

        async def refused():
            await say(stage, app, "more")
            [drain] = await log_drains.of(stage.panel, app)
            return drain.error and "not a public server" in drain.error

        await until(refused)


async def test_a_database_that_is_away_for_a_moment_ends_nothing(stage, app, drains, monkeypatch):
    await add(stage, app)
    async with shipping(stage) as task:
        await say(stage, app, "one")
        await until(lambda: drains.texts(ONE) == ["one"])
        asked = asyncio.Event()

        async def away(_conn):
            asked.set()
            raise Unavailable("The database does not answer.")

        monkeypatch.setattr(rows, "all", away)
        await asyncio.wait_for(asked.wait(), 60)
        await say(stage, app, "two")
        await until(lambda: drains.texts(ONE) == ["one", "two"])
        assert not task.done()


async def test_a_log_that_cannot_be_followed_is_followed_again(stage, app, drains, tmp_path, caplog):
    await add(stage, app)
    folder = tmp_path / "logs" / str(app.id)
    async with shipping(stage):
        await say(stage, app, "one")
        await until(lambda: drains.texts(ONE) == ["one"])
        (folder / "web.1.log").mkdir()
        await until(lambda: "is not followed for a moment" in caplog.text)
        (folder / "web.1.log").rmdir()
        await say(stage, app, "two")
        await until(lambda: drains.texts(ONE) == ["one", "two"])


async def test_what_fails_unexpectedly_starts_again(stage, app, drains, caplog):
    async def fail():
        drains.answers.clear()
        raise RuntimeError("a bug")

    drains.answers[ONE] = fail
    await add(stage, app)
    async with shipping(stage):
        await say(stage, app, "one")
        await until(lambda: "starts again" in caplog.text)
        await say(stage, app, "two")
        await until(lambda: drains.texts(ONE)[-1:] == ["two"])


async def test_a_drain_is_named_by_its_id_its_token_or_its_url(stage, app):
    drain = await add(stage, app)
    for name in (str(drain.id), drain.token, ONE):
        assert (await log_drains.get(stage.panel, app, name)).id == drain.id
    other = await stage.app("other")
    for place, name in ((other, drain.token), (app, drain.shown), (app, "d."), (app, "nonsense")):
        with pytest.raises(NotFound):
            await log_drains.get(stage.panel, place, name)
    with pytest.raises(NotFound):
        await log_drains.remove(stage.panel, other, stage.admin, drain.token)
    assert (await log_drains.remove(stage.panel, app, stage.admin, ONE)).shown == "https://one.example.com/..."


async def test_what_may_be_added(stage, app):
    with pytest.raises(Denied, match="is not a public server"):
        await add(stage, app, "syslog://127.0.0.1")
    with pytest.raises(Invalid):
        await add(stage, app, "http://one.example.com")
    await add(stage, app)
    with pytest.raises(Conflict, match="has this log drain already"):
        await add(stage, app)
    for number in range(MAX_DRAINS - 1):
        await add(stage, app, f"syslog://{number}.example.com")
    with pytest.raises(Conflict, match=f"has {MAX_DRAINS} log drains already"):
        await add(stage, app, TWO)


async def test_a_url_is_stored_encrypted_and_rotated_with_the_key(stage, app):
    drain = await add(stage, app)
    async with stage.panel.transaction() as conn:
        stored = (await rows.secrets(conn))[drain.id]
        everywhere = await conn.all(text("SELECT shown FROM paas_log_drains UNION SELECT details::text FROM paas_audit_log"))
    assert b"k3y-of-a-hook" not in stored.replace(stage.panel.cipher.encrypt(ONE), b"")
    assert "k3y-of-a-hook" not in str(everywhere)
    await secrets.reencrypt(stage.panel)
    async with stage.panel.transaction() as conn:
        assert stage.panel.cipher.decrypt((await rows.secrets(conn))[drain.id]) == ONE


async def test_an_app_that_moves_loses_its_drains(stage, app):
    await add(stage, app)
    to = await organizations.create(stage.panel, stage.admin, "Acme")
    await transfer.transfer(stage.panel, app, to, stage.admin)
    assert await log_drains.of(stage.panel, app) == []
