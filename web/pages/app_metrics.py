"""An app's metrics: charts of what its dynos use, and a table of the same."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from skypanel.domain.errors import Invalid
from skypanel.domain.metrics import History, Measure, Range, Series, read_range
from skypanel.domain.plan import Plan
from skypanel.flow import metrics
from skypanel.flow.metrics import AppMetrics
from web.keys import PANEL
from web.pages import app_frame

TAB = "Metrics"
# A chart has the dynos with the highest values, and the list of what happened the newest.
LINES, MARKS = 8, 20
MB, KB = 1_000_000, 1_000
WORDS = {Range.HOUR: "hour", Range.SIX_HOURS: "6 hours", Range.DAY: "24 hours", Range.WEEK: "7 days", Range.NINETY_DAYS: "90 days"}


@dataclass(frozen=True)
class Kind:
    """What a chart shows: its title, the unit of its numbers, how much that is, and their decimals."""

    measure: Measure
    title: str
    unit: str
    divisor: int
    decimals: int


KINDS = (
    Kind(Measure.CPU, "CPU", "cores", 1, 3),
    Kind(Measure.MEMORY, "Memory", "MB", MB, 1),
    Kind(Measure.RECEIVED, "Received", "kB/s", KB, 2),
    Kind(Measure.SENT, "Sent", "kB/s", KB, 2),
    Kind(Measure.DISK, "Disk", "MB", MB, 1),
)


@dataclass(frozen=True)
class Chart:
    """A chart, with its lines as JSON for the script; `left_out` dynos have lower values and no line."""

    kind: Kind
    limit: float | None
    lines: str
    left_out: int


async def show(request: web.Request) -> web.Response:
    """Show what the app's dynos used until now."""
    framed, panel = await app_frame.find(request), request.app[PANEL]
    error, status = None, 200
    try:
        shown = read_range(request.query.get("range", Range.HOUR))
    except Invalid as invalid:
        shown, error, status = Range.HOUR, invalid, 422
    found = await metrics.read(panel, framed.app, shown)
    return app_frame.render(
        request,
        framed,
        "app/metrics",
        TAB,
        status,
        shown=shown,
        words=WORDS,
        series=found.history.series,
        Measure=Measure,
        charts=_charts(found),
        axis=_axis(found),
        marks=found.marks[: -MARKS - 1 : -1],
        error=error,
    )


def _charts(found: AppMetrics) -> Sequence[Chart]:
    return [chart for kind in KINDS if (chart := _chart(kind, found.history, found.app.plan))]


def _chart(kind: Kind, history: History, plan: Plan) -> Chart | None:
    """Return a chart, or None if nothing of it was measured."""
    measured = [each for each in history.series if each.peak(kind.measure) is not None]
    if not measured:
        return None
    highest = sorted(measured, key=lambda each: -(each.peak(kind.measure) or 0.0))[:LINES]
    lines = [[each.dyno, _scaled(each, kind)] for each in sorted(highest, key=lambda each: each.dyno)]
    limit = {Measure.CPU: plan.cpu_cores, Measure.MEMORY: round(plan.memory_bytes / MB, 1)}.get(kind.measure)
    return Chart(kind, limit, json.dumps(lines, separators=(",", ":")), len(measured) - len(highest))


def _scaled(series: Series, kind: Kind) -> Sequence[float | None]:
    return [None if value is None else round(value / kind.divisor, kind.decimals) for value in series.values[kind.measure]]


def _axis(found: AppMetrics) -> str:
    """Return the times of the points, and what happened when, as JSON for the script."""
    marks = [[int(mark.at.timestamp()), mark.kind.value, mark.text] for mark in found.marks]
    return json.dumps({"times": list(found.history.times), "marks": marks}, separators=(",", ":"))
