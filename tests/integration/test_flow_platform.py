"""What administrators see of the whole panel: figures, the queue, alerts and the audit log."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete

from skypanel.domain.alert import AlertFilter, AlertKind, Problem
from skypanel.domain.audit import AuditAction, AuditFilter
from skypanel.domain.errors import Denied
from skypanel.domain.figures import Granted
from skypanel.domain.job import JobKind
from skypanel.domain.paging import Cursor
from skypanel.flow import activity, figures, jobs, organizations, scale, wallet
from skypanel.flow import alerts as alerts_flow
from skypanel.flow import settings as settings_flow
from skypanel.store import alerts, audit, builds
from skypanel.store.tables.accounts import accounts as account_table
from skypanel.store.tables.organizations import organizations as organization_table

EVERYTHING = AuditFilter()


async def audited(stage, **wanted):
    found = await activity.of_panel(stage.panel, stage.admin, AuditFilter(**wanted), Cursor())
    return [entry.action for entry in found.items]


@pytest.mark.req("R1.1", "R1.2", "R1.3", "R1.5")
async def test_a_panel_with_nothing_has_zeros(stage):
    async with stage.panel.transaction() as conn:
        await conn.execute(delete(organization_table))
        await conn.execute(delete(account_table))
    shown = await figures.platform(stage.panel, stage.admin)
    assert (shown.panel.organizations, shown.panel.accounts, shown.panel.apps) == (0, 0, 0)
    assert (shown.jobs.running, shown.jobs.waiting, shown.credit) == (0, 0, None)
    assert shown.granted == Granted(0, 0.0, 0)
    assert list(shown.open_alerts) == []


@pytest.mark.req("R1.1", "R1.3")
async def test_the_overview_adds_up(stage, app, main):
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    await organizations.create(stage.panel, stage.admin, "Acme")
    await settings_flow.change(stage.panel, stage.admin, {"billing": "true"})
    shown = await figures.platform(stage.panel, stage.admin)
    assert (shown.panel.organizations, shown.panel.apps) == (2, 1)
    assert shown.granted == Granted(2, 2.0, 2 * app.plan.memory_bytes)
    assert (shown.jobs.running, shown.jobs.waiting) == (0, 1)
    # Main does not pay.
    assert shown.credit == Decimal(100)
    await wallet.set_billed(stage.panel, main, stage.admin, billed=True)
    assert (await figures.platform(stage.panel, stage.admin)).credit == Decimal(200)


async def test_the_queue_has_what_runs_first_and_then_the_oldest(stage, app):
    other = await stage.app("other")
    await stage.push(other, "waiting")
    await scale.restart(stage.panel, app, stage.admin)
    running = await stage.push(app, "second")
    async with stage.panel.transaction() as conn:
        claimed = await builds.claim(conn, "worker-1", 20.0, 9)
    shown = await jobs.overview(stage.panel, stage.admin)
    assert claimed.id in {running.id, *(job.id for job in shown.shown)}
    assert [job.is_running for job in shown.shown] == [True, False, False]
    assert (shown.counts.running, shown.counts.waiting) == (1, 2)
    first = shown.shown[0]
    assert (first.kind, first.worker, first.attempt, first.email) == (JobKind.BUILD, "worker-1", 1, stage.admin.email)
    assert first.since == first.started_at
    restart = next(job for job in shown.shown if job.kind is JobKind.ROLLOUT)
    assert (restart.app, restart.organization, restart.reason, restart.since) == ("hello", "Main", "restart", restart.created_at)


async def test_alerts_are_listed_open_ones_first(stage):
    async with stage.panel.transaction() as conn:
        for name in ("old", "new"):
            await alerts.add(conn, AlertKind.NODE_INACTIVE, Problem(name, f"The node {name} is down."))
        await alerts.resolve(conn, AlertKind.NODE_INACTIVE, "new")
    shown = await alerts_flow.history(stage.panel, stage.admin, AlertFilter(), 1)
    assert [(each.subject, each.resolved_at is None) for each in shown.items] == [("old", True), ("new", False)]
    assert shown.total == 2
    assert not (await alerts_flow.history(stage.panel, stage.admin, AlertFilter(), 2)).items


async def test_the_audit_log_is_searched_by_who_what_where_and_when(stage, app, main):
    now = stage.panel.clock.now()
    acme = await organizations.create(stage.panel, stage.admin, "Acme")
    assert await audited(stage, organization_id=acme.id) == ["organization.create"]
    assert set(await audited(stage, app_name="hello")) == {"app.create"}
    assert set(await audited(stage, email=stage.admin.email.upper())) >= {"app.create", "organization.create"}
    assert await audited(stage, action="app.create") == ["app.create"]
    assert await audited(stage, since=now + timedelta(days=1)) == []
    assert await audited(stage, until=now - timedelta(days=1)) == []
    assert await audited(stage, since=now - timedelta(days=1), until=now + timedelta(days=1)) == await audited(stage)


async def test_all_of_the_log_is_exported_however_long_it_is(stage, monkeypatch):
    monkeypatch.setattr(activity, "EXPORTED_AT_ONCE", 7)
    async with stage.panel.transaction() as conn:
        for number in range(21):
            await audit.add(conn, AuditAction.APP_PUSH, app_name=f"app{number}")
    wanted = AuditFilter(action="app.push")
    found = [entry.app_name async for part in activity.exported(stage.panel, stage.admin, wanted) for entry in part]
    assert found == [f"app{number}" for number in reversed(range(21))]


async def test_only_administrators_see_that(stage):
    other = await stage.outsider()
    looks = (
        figures.platform(stage.panel, other),
        jobs.overview(stage.panel, other),
        alerts_flow.history(stage.panel, other, AlertFilter(), 1),
        activity.of_panel(stage.panel, other, EVERYTHING, Cursor()),
        anext(activity.exported(stage.panel, other, EVERYTHING)),
    )
    assert all(isinstance(each, Denied) for each in await asyncio.gather(*looks, return_exceptions=True))
