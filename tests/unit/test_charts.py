"""Charts: every bar fits into the drawing, and the lines have round values."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.charts import HEIGHT, WIDTH, bars, nice

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
