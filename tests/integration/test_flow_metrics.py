"""What dynos use is recorded, rolled up, read with what happened, and deleted."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from skypanel.domain.metrics import FINE, MINUTES, QUARTERS, MarkKind, Measure, Range
from skypanel.domain.report import DynoUse
from skypanel.flow import metrics, scale


def go(clock, moment):
    clock.advance((moment - clock.now()).total_seconds())


@pytest.fixture
def clock(stage):
    """The panel's clock, at the start of a day."""
    go(stage.panel.clock, datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1))
    return stage.panel.clock


async def sampled(stage, app, values, name="web.1"):
    """Sample values of a dyno, one every 10 s; None is a sample that is missed."""
    for value in values:
        if value is not None:
            stage.panel.metrics.uses = [DynoUse(app.id, name, float(value), 1000 * value, 100.0 * value, 1.0, None, 0)]
            await metrics.sample(stage.panel)
        stage.panel.clock.advance(FINE.step_s)


async def rows(stage, step_s):
    async with stage.panel.autocommit() as conn:
        return await conn.all(text(f"SELECT * FROM paas_metrics WHERE step_s = {step_s} ORDER BY begins, dyno"))


@pytest.mark.req("R7.3")
async def test_samples_of_a_quarter_of_an_hour_are_one_row(stage, app, clock):
    began = clock.now()
    await sampled(stage, app, [None, 1, 2, None, None, 3])
    (row,) = await rows(stage, FINE.step_s)
    assert (row.begins, row.dyno) == (began, "web.1")
    assert row.cpu == [None, 1.0, 2.0, None, None, 3.0]
    assert row.memory == [None, 1000.0, 2000.0, None, None, 3000.0]
    assert row.disk == [None] * 6
    go(stage.panel.clock, began + timedelta(seconds=FINE.step_s))
    await sampled(stage, app, [7])
    assert (await rows(stage, FINE.step_s))[0].cpu == [None, 7.0, 2.0, None, None, 3.0]


async def test_dynos_of_an_app_that_is_gone_are_left_out(stage, app, clock):
    stage.panel.metrics.uses = [DynoUse(uuid4(), "web.1", 1.0, 1), DynoUse(app.id, "web.2", 1.0, 1)]
    await metrics.sample(stage.panel)
    assert [row.dyno for row in await rows(stage, FINE.step_s)] == ["web.2"]
    stage.panel.metrics.uses = []
    await metrics.sample(stage.panel)


async def test_a_quarter_that_ended_is_rolled_up_once(stage, app, clock):
    began = clock.now()
    await sampled(stage, app, [1, 2, 3, 4, 5, 6, None, None, None, None, None, None, 10])
    await metrics.roll_up(stage.panel)
    assert await rows(stage, MINUTES.step_s) == []
    for _ in range(2):
        go(stage.panel.clock, began + FINE.span + metrics.LATE)
        await metrics.roll_up(stage.panel)
    (minutes,), (quarters,) = await rows(stage, MINUTES.step_s), await rows(stage, QUARTERS.step_s)
    assert (minutes.begins, minutes.cpu, minutes.memory) == (began, [3.5, None, 10.0], [6000.0, None, 10000.0])
    assert (quarters.begins, quarters.cpu, quarters.memory) == (began, [pytest.approx(31 / 7)], [10000.0])
    go(stage.panel.clock, began + 3 * FINE.span)
    await sampled(stage, app, [2])
    go(stage.panel.clock, began + 4 * FINE.span + metrics.LATE)
    await metrics.roll_up(stage.panel)
    (quarters,) = await rows(stage, QUARTERS.step_s)
    assert quarters.cpu == [pytest.approx(31 / 7), None, None, 2.0]
    assert [row.cpu for row in await rows(stage, MINUTES.step_s)] == [[3.5, None, 10.0], [2.0]]


async def test_rows_are_deleted_once_their_time_is_over(stage, app, clock):
    began = clock.now()
    for days, left in ((0, [1, 0, 0]), (0.5, [1, 1, 1]), (5, [1, 2, 1]), (92, [1, 0, 1])):
        go(stage.panel.clock, began + timedelta(days=days))
        await metrics.roll_up(stage.panel)
        await sampled(stage, app, [1])
        assert [len(await rows(stage, each.step_s)) for each in (FINE, MINUTES, QUARTERS)] == left


@pytest.mark.req("R2.2", "R7.3")
@pytest.mark.parametrize("shown", Range)
async def test_each_range_ends_with_the_newest_values(stage, app, clock, shown):
    await sampled(stage, app, [1, 3] * 100)
    await metrics.roll_up(stage.panel)
    await sampled(stage, app, [8], "worker.1")
    found = (await metrics.read(stage.panel, app, shown)).history
    assert [each.dyno for each in found.series] == ["web.1", "worker.1"]
    web, worker = found.series
    assert {len(values) for each in found.series for values in each.values.values()} == {len(found.times)}
    assert web.mean(Measure.CPU) == pytest.approx(2.0, rel=0.1)
    assert web.peak(Measure.MEMORY) == 3000.0
    assert web.last(Measure.RECEIVED) == pytest.approx(200.0)
    assert worker.last(Measure.CPU) == 8.0
    assert worker.last(Measure.DISK) is None


async def test_an_app_that_never_ran_has_no_series(stage, clock):
    app = await stage.app("idle")
    found = await metrics.read(stage.panel, app, Range.DAY)
    assert (found.history.series, found.marks) == ([], [])


async def test_deploys_scales_and_crashes_are_marks(stage, app):
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: crash\nworker: toil\n")
    await stage.push(app, "second")
    await stage.work()
    for restarts in (0, 2):
        stage.panel.metrics.uses = [DynoUse(app.id, "web.1", 1.0, 1, restarts=restarts)]
        await metrics.sample(stage.panel)
        stage.panel.clock.advance(30)
    found = (await metrics.read(stage.panel, app, Range.HOUR)).marks
    assert list(found) == sorted(found)
    assert {(mark.kind, mark.text) for mark in found} >= {
        (MarkKind.SCALE, "Scaled web=2"),
        (MarkKind.INCIDENT, "v2 failed"),
        (MarkKind.INCIDENT, "web.1 crashed 2 times"),
    }
    assert [mark.text.split(":")[0] for mark in found if mark.kind is MarkKind.DEPLOY] == ["v1"]


async def test_a_destroyed_apps_metrics_go_with_it(stage, app, clock):
    await sampled(stage, app, [1])
    async with stage.panel.transaction() as conn:
        await conn.execute(text("DELETE FROM paas_applications"))
    assert await rows(stage, FINE.step_s) == []


async def test_the_cpu_of_the_last_day_is_read_for_many_apps_at_once(stage, app, clock):
    other, third = await stage.app("other"), await stage.app("third")
    began = clock.now()
    for quarter, (first, second) in enumerate([(1, 2), (3, 4), (5, 0)]):
        go(stage.panel.clock, began + quarter * FINE.span)
        stage.panel.metrics.uses = [
            DynoUse(app.id, "web.1", float(first), 1),
            DynoUse(app.id, "web.2", 10.0, 1),
            DynoUse(other.id, "web.1", float(second), 1),
        ]
        await metrics.sample(stage.panel)
    go(stage.panel.clock, began + 3 * FINE.span + metrics.LATE)
    assert await metrics.glance(stage.panel, [app.id, other.id, third.id]) == {}
    await metrics.roll_up(stage.panel)
    found = await metrics.glance(stage.panel, [app.id, third.id])
    assert list(found) == [app.id]
    # Half an hour is the mean of its quarters, and an hour that has just begun has a quarter alone.
    assert found[app.id] == [None] * 46 + [12.0, 15.0]
    found = await metrics.glance(stage.panel, [other.id, app.id])
    assert found[other.id] == [None] * 46 + [3.0, 0.0]
    go(stage.panel.clock, began + timedelta(days=1))
    assert (await metrics.glance(stage.panel, [app.id]))[app.id] == [15.0] + [None] * 47
    go(stage.panel.clock, began + timedelta(days=1, minutes=30))
    assert await metrics.glance(stage.panel, [app.id]) == {}
    assert await metrics.glance(stage.panel, []) == {}
