"""What sampling the use of dynos takes of the launcher, the worker and the database, and how soon the page of metrics is there."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import median

from sqlalchemy import text

from skypanel.bootstrap import open_panel
from skypanel.domain.metrics import FINE, Range
from skypanel.domain.report import DynoUse
from skypanel.drivers.sandbox.metrics import LauncherMetrics
from skypanel.flow import apps, metrics
from skypanel.ports.panel import Panel
from skypanel.settings import sources
from tests.bench import idle, memory, pages
from tests.bench.figures import Figure, percentile, single
from tests.bench.stage import Stage
from tests.fakes.clock import FakeClock
from tests.fakes.objects import FakeObjects
from tests.fixtures.launcher import RunningLauncher, make_app, make_manifest, running_launcher, stored_slug
from tests.journeys.harness import PanelUnderTest, new_panel

APP = "measured"
# What the launcher does is proportional to them. The rows of a thousand are made up.
DYNOS = (10, 100)
ROWS = (*DYNOS, 1_000)
READY_S = 600.0
# Two quarters of an hour.
ROUNDS = 180
# Values of ten dynos, of each resolution for as long as it is kept.
FILLED = """
    INSERT INTO paas_metrics (app_id, step_s, begins, dyno, cpu, memory, disk, received, sent, restarts)
    SELECT :app_id, step_s, begins, 'web.' || dyno, filled, filled, filled, filled, filled, array_fill(0::real, ARRAY[number])
    FROM (VALUES (10, 900, 90, interval '6 hours'), (60, 900, 15, interval '7 days'), (900, 86400, 96, interval '90 days'))
        AS kept (step_s, span_s, number, time)
    CROSS JOIN LATERAL generate_series(
        to_timestamp(floor(extract(epoch FROM CAST(:now AS timestamptz) - time) / span_s) * span_s), :now, span_s * interval '1 second'
    ) AS begins
    CROSS JOIN LATERAL (SELECT array_agg((random() * 1e8)::real) AS filled FROM generate_series(1, number)) AS values
    CROSS JOIN generate_series(1, 10) AS dyno
    ON CONFLICT DO NOTHING
"""
REQUESTS = 100
MS = 1000


def sampling(_stage: Stage) -> list[Figure]:
    """Sample dynos, record what they use, and ask for the page of an app with ten dynos and values of ninety days."""
    with running_launcher(root=os.geteuid() == 0) as launcher:
        found = asyncio.run(_of_launcher(launcher))
    with new_panel() as panel:
        panel.up().repository("python-flask").push(APP)
        return [*found, *asyncio.run(_of_panel(panel))]


async def _of_launcher(launcher: RunningLauncher) -> list[Figure]:
    """Return how long the launcher is at work for one sample, by the number of dynos."""
    objects, source = FakeObjects(), LauncherMetrics(launcher.client)
    scheduler = launcher.scheduler(objects)
    manifest = make_manifest(make_app(), await stored_slug(objects), {"worker": ("exec sleep 3600", 0)})
    found = []
    for number in DYNOS:
        wanted = replace(manifest, processes=(replace(manifest.processes[0], quantity=number),))
        await scheduler.launch(wanted)
        await scheduler.wait_ready(wanted, READY_S)
        await source.measure()
        before = idle.cpu_of([launcher.pid])
        for _ in range(ROUNDS):
            assert len(await source.measure()) == number
        found.append(Figure(f"metrics.launcher.{number}", round((idle.cpu_of([launcher.pid]) - before) / ROUNDS * MS, 1), "ms"))
    await scheduler.remove(manifest.app_id)
    return found


async def _of_panel(under_test: PanelUnderTest) -> list[Figure]:
    found: list[Figure] = []
    async with open_panel(sources.load(under_test.environment)) as panel:
        app = await apps.named(panel, APP)
        assert app
        clock = FakeClock(panel.clock.now() + timedelta(days=1))
        for number in ROWS:
            uses = [DynoUse(app.id, f"worker.{each}", 0.1, 10**7, 10.0, 10.0, 10**6) for each in range(1, number + 1)]
            own_ms, database_ms = await _recorded(replace(panel, clock=clock), under_test.process.pid, uses)
            found += [
                Figure(f"metrics.worker.{number}", round(own_ms, 1), "ms"),
                Figure(f"metrics.database.{number}", round(database_ms, 1), "ms"),
                Figure(f"metrics.core.{number}", round((own_ms + database_ms) / MS / FINE.step_s * 100, 2), "%"),
            ]
        async with panel.autocommit() as conn:
            await conn.execute(text("DELETE FROM paas_metrics"))
            await conn.execute(text(FILLED), {"app_id": app.id, "now": panel.clock.now()})
            await conn.execute(text("ANALYZE"))
        web = memory.processes(under_test.process.pid)["web"]
        async with pages.signed_in(under_test, panel) as browser:
            for shown in Range:
                before = idle.cpu_of(web)
                times = [await pages.timed(browser, f"/apps/{APP}/metrics?range={shown}") for _ in range(REQUESTS)]
                cpu = (idle.cpu_of(web) - before) / REQUESTS * MS
                values = {"p50": median(times), "p99": percentile(times, 0.99), "cpu": cpu}
                found += [single(f"metrics_page.{shown}.{name}", [value], "ms") for name, value in values.items()]
    return found


async def _recorded(panel: Panel, up: int, uses: Sequence[DynoUse]) -> tuple[float, float]:
    """Record the same for two quarters of an hour, and roll them up. Return what a sample takes of this process and of Postgres, in ms."""
    clock = panel.clock
    clock.advance(FINE.span.total_seconds())
    await metrics.record(panel, uses)
    postgres = memory.processes(up)["postgres"]
    own, database = time.process_time(), idle.cpu_of(postgres)
    for _ in range(ROUNDS):
        clock.advance(FINE.step_s)
        await metrics.record(panel, uses)
        await metrics.roll_up(panel)
    return (time.process_time() - own) / ROUNDS * MS, (idle.cpu_of(postgres) - database) / ROUNDS * MS
