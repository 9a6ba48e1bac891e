"""What the rules of alerts find, and when that is over."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from skypanel.domain.alert import AlertFilter
from skypanel.domain.metrics import FINE
from skypanel.domain.report import DynoUse
from skypanel.flow import alert_rules, alerts, apps, config, deploys, metrics, release
from skypanel.flow.alert_rules import LEAST_MEASUREMENTS
from tests.support.crowd import crowd
from tests.support.statements import Counting

PLATFORM = AlertFilter(is_open=True)
MEMORY = 512 * 1024**2


@pytest.fixture
async def app(stage):
    """An app that runs."""
    made = await stage.app()
    await stage.push(made)
    await stage.work()
    return made


@pytest.fixture
def found(stage):
    """Evaluate all rules, and return the messages of what is open: of an app's organization, or else of the platform.

    An app's pages agree that its last deploy failed.
    """

    async def evaluated(app=None):
        await alert_rules.evaluate(stage.panel)
        wanted = AlertFilter(organization_id=app.organization_id, is_open=True) if app else PLATFORM
        messages = [each.message for each in (await alerts.history(stage.panel, stage.admin, wanted, 1)).items]
        if app:
            assert await deploys.last_failed(stage.panel, app) == any("last deploy" in message for message in messages)
        return messages

    return evaluated


async def run(stage, statement, **values):
    async with stage.panel.transaction() as conn:
        await conn.execute(text(statement).bindparams(**values))


async def test_where_all_is_well_nothing_is_found(found, app):
    assert await found(app) == []
    assert await found() == []


class TestDeploys:
    FAILED = "The last deploy of hello failed."

    async def fail(self, stage, app):
        stage.panel.builder.answer("detect", code=1)
        await stage.push(app, "broken")
        await stage.work()

    async def test_a_build_that_failed_is_told_until_a_release_is_live(self, stage, app, found):
        await self.fail(stage, app)
        assert await found(app) == [self.FAILED]
        stage.panel.builder.answer("detect", out=b"python\nPython\n")
        await stage.push(app, "repaired")
        assert await found(app) == [self.FAILED]
        await stage.work()
        assert await found(app) == []
        assert await found() == []

    async def test_a_release_that_failed_is_told(self, stage, app, found):
        stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: crash\n")
        await stage.push(app, "crashes")
        await stage.work()
        assert await found(app) == [self.FAILED]

    async def test_a_config_change_that_failed_is_told_until_a_rollback_is_live(self, stage, app, found):
        stage.panel.scheduler.unready = {0, 1, 2}
        await config.change(stage.panel, app, {"GREETING": "hi"}, stage.admin)
        await stage.work()
        assert await found(app) == [self.FAILED]
        stage.panel.scheduler.unready.clear()
        await release.roll_back(stage.panel, app, 1, stage.admin)
        assert await found(app) == [self.FAILED]
        await stage.work()
        assert await found(app) == []

    async def test_a_config_change_of_an_app_that_never_ran_is_no_deploy(self, stage, found):
        app = await stage.app("never")
        await self.fail(stage, app)
        await config.change(stage.panel, app, {"GREETING": "hi"}, stage.admin)
        await stage.work()
        assert await found(app) == ["The last deploy of never failed."]
        assert (await apps.summary(stage.panel, app)).has_failed

    async def test_what_somebody_cancelled_is_not(self, stage, app, found):
        await self.fail(stage, app)
        await run(stage, "UPDATE paas_builds SET cancelled_at = now() WHERE state = 'failed'")
        assert await found(app) == []

    async def test_a_renamed_app_keeps_its_alert_and_a_destroyed_one_has_none(self, stage, app, found):
        await self.fail(stage, app)
        await found(app)
        before = (await alerts.history(stage.panel, stage.admin, AlertFilter(app_id=app.id), 1)).items
        await apps.rename(stage.panel, app, "renamed", stage.admin)
        await found(app)
        after = (await alerts.history(stage.panel, stage.admin, AlertFilter(app_id=app.id), 1)).items
        assert [each.id for each in after] == [each.id for each in before]
        await apps.destroy(stage.panel, app, stage.admin)
        assert await found(app) == []


class TestDynos:
    @pytest.fixture(autouse=True, params=[0, 300, 890], ids=lambda offset: f"{offset} s after a row begins")
    def _time(self, stage, request):
        """The time within a row of metrics decides how many values are in the row before."""
        begins = FINE.begin(stage.panel.clock.now())
        stage.panel.clock.advance((begins + FINE.span - stage.panel.clock.now()).total_seconds() + request.param)

    async def measure(self, stage, app, values, dyno="web.1"):
        """Record measurements that are ten seconds apart, of which the last is now."""
        for memory, restarts in values:
            use = DynoUse(app.id, dyno, cpu_cores=0.1, memory_bytes=memory, restarts=restarts)
            stage.panel.clock.advance(10)
            await metrics.record(stage.panel, [use])

    async def test_a_dyno_that_crashes_again_and_again(self, stage, app, found):
        await self.measure(stage, app, [(1, 4), (1, 5), (1, 6)])
        assert await found(app) == []
        await self.measure(stage, app, [(1, 7), (1, 8)])
        assert await found(app) == ["web.1 of hello crashed 4 times within 10 minutes."]
        await self.measure(stage, app, [(1, 8)] * 61)
        assert await found(app) == []

    async def test_a_new_dyno_of_the_name_counts_anew(self, stage, app, found):
        await self.measure(stage, app, [(1, 40), (1, 0), (1, 2)])
        assert await found(app) == []
        await self.measure(stage, app, [(1, 3)])
        assert await found(app) == ["web.1 of hello crashed 3 times within 10 minutes."]

    async def test_a_dyno_that_uses_nearly_all_of_its_memory_for_minutes(self, stage, app, found):
        await run(stage, "UPDATE paas_plan_versions SET memory_bytes = :memory", memory=MEMORY)
        full = int(MEMORY * 0.97)
        await self.measure(stage, app, [(full, 0)] * (LEAST_MEASUREMENTS - 1))
        assert await found(app) == []
        await self.measure(stage, app, [(full, 0)])
        assert await found(app) == ["web.1 of hello uses more than 95% of its memory."]
        await self.measure(stage, app, [(MEMORY // 2, 0)])
        assert await found(app) == []
        await self.measure(stage, app, [(full, 0)] * (LEAST_MEASUREMENTS - 1))
        assert await found(app) == []


class TestCertificates:
    @pytest.fixture
    def now(self, stage):
        return stage.panel.clock.now()

    async def add(self, stage, name, app, not_after, *, source="acme", days=90):
        await run(
            stage,
            "INSERT INTO paas_certificates (app_id, source, names, chain, secret, not_before, not_after, issuer, serial, directory) "
            "VALUES (:app_id, :source, ARRAY[:name], '', '', :since, :until, '', '', :directory)",
            app_id=app and app.id,
            source=source,
            name=name,
            since=not_after - timedelta(days=days),
            until=not_after,
            directory="https://ca.example.com" if source == "acme" else None,
        )

    async def test_those_that_nothing_replaces(self, stage, app, found, now):
        await self.add(stage, "shop.example.com", app, now + timedelta(days=13), source="uploaded", days=365)
        await self.add(stage, "blog.example.com", app, now + timedelta(days=15), source="uploaded", days=365)
        await self.add(stage, "old.example.com", app, now - timedelta(days=15), source="uploaded")
        until = now + timedelta(days=13)
        assert await found(app) == [f"The certificate of shop.example.com is valid until {until:%Y-%m-%d}."]
        await self.add(stage, "shop.example.com", app, now + timedelta(days=89))
        assert await found(app) == []

    async def test_a_short_one_is_told_when_its_renewal_is_late(self, stage, app, found, now):
        await self.add(stage, "hello.localhost", app, now + timedelta(hours=25), days=6)
        assert await found(app) == []
        await run(stage, "UPDATE paas_certificates SET not_after = not_after - interval '2 hours'")
        assert len(await found(app)) == 1

    async def test_one_of_a_domain_that_is_the_apps_no_more_is_not_told(self, stage, app, found, now):
        await self.add(stage, "shop.example.com", app, now + timedelta(days=1))
        assert await found(app) == []
        domain = "INSERT INTO paas_domains (app_id, name, token, verified_at) VALUES (:app_id, 'shop.example.com', 'token', now())"
        await run(stage, domain, app_id=app.id)
        assert len(await found(app)) == 1
        assert await found() == []

    async def test_the_panels_own_are_told_to_administrators(self, stage, app, found, now):
        await self.add(stage, "*.localhost", None, now + timedelta(days=1))
        assert len(await found()) == 1
        assert await found(app) == []


class TestPlatform:
    async def test_a_low_wallet(self, stage, app, found):
        await run(stage, "UPDATE paas_organizations SET warned = true WHERE id = :id", id=app.organization_id)
        [message] = await found(app)
        assert message.endswith("lasts less than 72 hours.")
        await run(stage, "UPDATE paas_organizations SET warned = false")
        assert await found(app) == []

    async def test_a_full_disk_of_a_node_is_told_until_there_is_some_more_room(self, stage, found):
        await run(
            stage,
            'INSERT INTO paas_nodes (name, address, port, "user", host_key, kind, secret, state, wanted, report) '
            "VALUES ('one', '10.0.0.1', 22, 'root', 'key', 'key', '', 'active', 'active', '{}')",
        )

        async def fill(share):
            report = "jsonb_build_object('disk_bytes', 1000, 'disk_used_bytes', CAST(:used AS integer))"
            await run(stage, f"UPDATE paas_nodes SET report = {report}", used=int(share * 1000))
            return await found()

        told = ["The disk of the node one is full by 91%."]
        assert await found() == []
        assert [await fill(share) for share in (0.89, 0.91, 0.88, 0.84, 0.88)] == [[], told, told, [], []]

    async def test_a_queue_that_is_stuck(self, stage, app, found):
        await stage.push(app, "waits")
        assert await found() == []
        await run(stage, "UPDATE paas_builds SET created_at = created_at - interval '2 hours' WHERE state = 'pending'")
        assert await found() == ["1 builds wait for more than 10 minutes, and no worker works on any."]
        other = await stage.app("other")
        await stage.push(other, "is built")
        await run(
            stage,
            "UPDATE paas_builds SET state = 'building', lease_until = now() + interval '1 minute' WHERE app_id = :app_id",
            app_id=other.id,
        )
        assert await found() == []


async def test_the_rules_take_the_same_statements_however_many_apps_there_are(stage, app):
    counting = Counting(stage.panel.database)
    panel = replace(stage.panel, database=counting)
    await alert_rules.evaluate(panel)
    before, counting.count = counting.count, 0
    async with panel.transaction() as conn:
        await crowd(conn, app.name)
    counting.count = 0
    await alert_rules.evaluate(panel)
    assert counting.count == before
