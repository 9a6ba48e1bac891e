"""Metrics of apps: recording what dynos use, rolling it up, and reading it with what happened meanwhile."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from skypanel.domain.app import App
from skypanel.domain.ids import AppId
from skypanel.domain.metrics import FINE, GLANCE, RESOLUTIONS, History, Mark, Range
from skypanel.domain.report import DynoUse
from skypanel.ports.panel import Panel
from skypanel.store import marks, metrics

# Values of a quarter of an hour come until some seconds after its end.
LATE = timedelta(seconds=30)


@dataclass(frozen=True)
class AppMetrics:
    """What an app's dynos used, and what happened meanwhile, oldest first."""

    app: App
    history: History
    marks: Sequence[Mark]


async def sample(panel: Panel) -> None:
    """Record what the dynos of this machine use now. Raises Unavailable."""
    await record(panel, await panel.metrics.measure())


async def record(panel: Panel, uses: Sequence[DynoUse]) -> None:
    """Record what some dynos use now."""
    if uses:
        async with panel.autocommit() as conn:
            await metrics.record(conn, panel.clock.now(), uses)


async def roll_up(panel: Panel) -> None:
    """Roll up the quarters of an hour that have ended, and delete what is kept no longer. Idempotent."""
    now = panel.clock.now()
    async with panel.autocommit() as conn:
        ended = await metrics.unrolled(conn, FINE.begin(now - LATE))
    for begins in ended:
        async with panel.transaction() as conn:
            await metrics.roll_up(conn, begins)
    if ended:
        async with panel.autocommit() as conn:
            for resolution in RESOLUTIONS:
                await metrics.expire(conn, resolution, now - resolution.kept)


async def read(panel: Panel, app: App, shown: Range) -> AppMetrics:
    """Return what an app's dynos used in a range of time that ends now."""
    times = shown.view.times(panel.clock.now())
    async with panel.autocommit() as conn:
        series = await metrics.read(conn, app.id, shown.view, times)
        since = datetime.fromtimestamp(times[0], UTC)
        happened = [*await marks.deploys(conn, app, since), *await marks.scales(conn, app, since)]
    history = History(shown, times, series)
    return AppMetrics(app, history, sorted([*happened, *history.incidents()]))


async def glance(panel: Panel, app_ids: Collection[AppId]) -> Mapping[AppId, Sequence[float | None]]:
    """Return the CPU cores that apps used in the last day, one value for each half an hour, in one statement.

    An app is left out until a quarter of an hour with values of it has ended.
    """
    async with panel.autocommit() as conn:
        return await metrics.cpu(conn, app_ids, GLANCE, GLANCE.times(panel.clock.now()))
