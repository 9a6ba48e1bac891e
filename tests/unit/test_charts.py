"""Charts: every bar fits into the drawing, and the lines have round values."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.charts import HEIGHT, SPARK_HEIGHT, SPARK_WIDTH, WIDTH, bars, nice, sparkline

AMOUNTS = st.decimals(0, 10**9, places=6)


@given(st.lists(AMOUNTS, max_size=366))
def test_bars_are_in_the_drawing_and_in_proportion(values):
    chart = bars([(str(value), value) for value in values])
    assert len(chart.bars) == len(values)
    for bar, value in zip(chart.bars, values, strict=True):
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH
        assert 0 <= bar.y <= HEIGHT
        assert bar.y + bar.height == pytest.approx(HEIGHT, abs=0.02)
        assert (bar.height > HEIGHT / 2) <= (value >= chart.lines[0][1])


@pytest.mark.parametrize(
    ("largest", "top"), [("0", "1"), ("0.000001", "0.000001"), ("0.03", "0.05"), ("1", "1"), ("1.01", "2"), ("51", "100"), ("999", "1000")]
)
def test_the_top_line_is_round(largest, top):
    assert nice(Decimal(largest)) == Decimal(top)
    assert bars([("a", Decimal(largest))]).lines[-1] == (0.0, Decimal(top))


@given(st.lists(st.none() | st.floats(0, 10**6), max_size=60).filter(any))
def test_a_line_is_in_the_drawing_and_has_a_place_for_each_value(values):
    line = sparkline(values)
    known = [value for value in values if value is not None]
    places = [tuple(map(float, found)) for found in re.findall(r"[ML](\d+) ([\d.]+)", line.path)]
    assert len(places) == len(known)
    assert all(0 <= x <= SPARK_WIDTH and 1 <= y <= SPARK_HEIGHT - 1 for x, y in places)
    assert min(y for _, y in places) == places[known.index(max(known))][1] == 1
    assert (line.last, line.peak) == (known[-1], max(known))


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ([1.0], "M0 1.0h0"),
        ([0.0, 0.0], "M0 19.0h0L96 19.0"),
        ([None, 1.0, 2.0, None, 0.0], "M24 10.0h0L48 1.0M96 19.0h0"),
    ],
)
def test_gaps_interrupt_a_line(values, path):
    assert sparkline(values).path == path
