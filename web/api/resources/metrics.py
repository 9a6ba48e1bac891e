"""Metrics of apps."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from skypanel.domain.metrics import Measure
from skypanel.flow.metrics import AppMetrics
from web.api.resources.apps import app_ref
from web.api.resources.common import Count, Named, Resource, Time, time

Values = list[float | None]


class DynoMetrics(Resource):
    """What a dyno used at each point: cores, bytes, and bytes a second. Restarts count since it was started first."""

    name: str
    cpu_cores: Values
    memory_bytes: Values
    disk_bytes: Values
    received_bytes_per_second: Values
    sent_bytes_per_second: Values
    restarts: Values


class MetricsLimits(Resource):
    """What the app's plan grants each dyno."""

    cpu_cores: float
    memory_bytes: Count


class Mark(Resource):
    """Something that happened to the app."""

    at: Time
    kind: Literal["deploy", "scale", "incident"]
    text: str


class Metrics(Resource):
    """What the dynos of an app used: points `step_seconds` apart, the first at `start`. Null is a point without a measurement."""

    app: Named
    range: Literal["1h", "6h", "24h", "7d", "90d"]
    start: Time
    step_seconds: Count
    limits: MetricsLimits
    dynos: list[DynoMetrics]
    marks: list[Mark]


def metrics(of: AppMetrics) -> Metrics:
    """Return what the dynos of an app used."""
    history, plan = of.history, of.app.plan
    return Metrics(
        app=app_ref(of.app),
        range=history.range.value,
        start=time(datetime.fromtimestamp(history.times[0], UTC)),
        step_seconds=history.step_s,
        limits=MetricsLimits(cpu_cores=plan.cpu_cores, memory_bytes=plan.memory_bytes),
        dynos=[DynoMetrics(each.dyno, *(_rounded(each.values[measure]) for measure in Measure)) for each in history.series],
        marks=[Mark(time(mark.at), mark.kind.value, mark.text) for mark in of.marks],
    )


def _rounded(values: Sequence[float | None]) -> Values:
    return [None if value is None else round(value, 4) for value in values]
