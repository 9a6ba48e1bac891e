"""Charts as shapes that templates draw as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT = 720, 160
SPARK_WIDTH, SPARK_HEIGHT = 96, 20
_STEPS = (Decimal(1), Decimal(2), Decimal(5), Decimal(10))
_LINES = 2


@dataclass(frozen=True)
class Bar:
    """A rectangle, in units of the drawing, with a text that describes it."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class BarChart:
    """A drawing of WIDTH x HEIGHT. `lines` are the heights of the horizontal lines, with their values."""

    bars: Sequence[Bar]
    lines: Sequence[tuple[float, Decimal]]
    width: int = WIDTH
    height: int = HEIGHT


def bars(values: Sequence[tuple[str, Decimal]], height: int = HEIGHT, least: Decimal = Decimal(0)) -> BarChart:
    """Return a chart with a bar for each labelled value, none of them negative, with room for a value of `least`."""
    top = nice(max((least, *(value for _, value in values))))
    step = WIDTH / max(1, len(values))
    drawn = [_bar(number * step, step, float(value / top), height, label) for number, (label, value) in enumerate(values)]
    marks = [top * number / _LINES for number in range(1, _LINES + 1)]
    return BarChart(drawn, [(round(height - float(mark / top) * height, 2), mark) for mark in marks], height=height)


@dataclass(frozen=True)
class Sparkline:
    """A line without axes, as the path of an SVG of SPARK_WIDTH x SPARK_HEIGHT, with its newest and its highest value."""

    path: str
    last: float
    peak: float
    width: int = SPARK_WIDTH
    height: int = SPARK_HEIGHT


def sparkline(values: Sequence[float | None]) -> Sparkline:
    """Return the line of some values, at least one of which is there. None is a gap."""
    known = [value for value in values if value is not None]
    peak, step, room = max(known), SPARK_WIDTH / max(1, len(values) - 1), SPARK_HEIGHT - 2
    parts, before = [], None
    for number, value in enumerate(values):
        if value is not None:
            place = f"{number * step:.0f} {SPARK_HEIGHT - 1 - room * value / (peak or 1):.1f}"
            # A value without neighbours is a dot.
            parts.append(f"L{place}" if before is not None else f"M{place}h0")
        before = value
    return Sparkline("".join(parts), known[-1], peak)


def nice(largest: Decimal) -> Decimal:
    """Return the smallest of 1, 2 and 5 times a power of ten that is not less than a number; 1 for zero."""
    if largest <= 0:
        return Decimal(1)
    unit = Decimal(1).scaleb(largest.adjusted())
    return next(step * unit for step in _STEPS if step * unit >= largest)


def _bar(x: float, step: float, share: float, of: int, label: str) -> Bar:
    return Bar(round(x + step * 0.1, 2), round(of - share * of, 2), round(step * 0.8, 2), round(share * of, 2), label)
