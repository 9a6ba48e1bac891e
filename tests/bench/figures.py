"""Figures as values: medians, the table, and the JSON of docs/bench.json."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

MAX_DIGITS = 3


@dataclass(frozen=True)
class Figure:
    """What was measured. `ratio` is ours to that of `peer`, the other program that did the same in the same run."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    ratio: float | None = None


def single(name: str, values: Sequence[float], unit: str = "s") -> Figure:
    """Return the median of what was measured several times."""
    return Figure(name, _rounded(median(values)), unit)


def compared(name: str, ours: Sequence[float], theirs: Sequence[float], peer: str, unit: str = "s") -> Figure:
    """Return our median, and the median of the pairs' ratios: what slows the machine for a while slows both of a pair."""
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    return Figure(name, _rounded(median(ours)), unit, peer, _rounded(median(ratios)))


def in_pairs(ours: Callable[[int], float], theirs: Callable[[int], float], pairs: int) -> tuple[list[float], list[float]]:
    """Measure both by turns, each of them first every other time. They are given the pair's number."""
    measured: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs):
        for side in (0, 1) if number % 2 else (1, 0):
            measured[side].append((ours, theirs)[side](number))
    return measured


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def table(figures: Sequence[Figure]) -> str:
    """Return the figures in columns."""
    rows = [("FIGURE", "VALUE", "UNIT", "RATIO", "PEER")]
    rows += [
        (each.name, f"{each.value:g}", each.unit, "" if each.ratio is None else f"{each.ratio:g}", each.peer or "") for each in figures
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def to_json(figures: Sequence[Figure]) -> str:
    """Return what `from_json` reads: a list of objects, one a line."""
    lines = ",\n".join(f"  {json.dumps(asdict(each))}" for each in figures)
    return f"[\n{lines}\n]\n"


def from_json(text: str) -> list[Figure]:
    """Read what `to_json` wrote."""
    return [Figure(**fields) for fields in json.loads(text)]


def merged(kept: Sequence[Figure], new: Sequence[Figure]) -> list[Figure]:
    """Return all figures by name, the new ones in place of the old."""
    by_name = {each.name: each for each in (*kept, *new)}
    return [by_name[name] for name in sorted(by_name)]


def _rounded(value: float) -> float:
    return round(value, MAX_DIGITS)
