from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.cli.metrics import row
from skypanel.domain.errors import Invalid
from skypanel.domain.metrics import FINE, MINUTES, QUARTERS, RESOLUTIONS, History, MarkKind, Measure, Range, Series, read_range

NOON = datetime(2024, 5, 6, 12, 0, tzinfo=UTC)


def series(restarts, **values):
    return Series("web.1", {**{measure: [None] * len(restarts) for measure in Measure}, **values, Measure.RESTARTS: restarts})


def test_rows_hold_a_quarter_of_an_hour_or_a_day():
    moment = NOON + timedelta(minutes=22, seconds=31)
    assert [(each.begin(moment), each.slot(moment)) for each in RESOLUTIONS] == [
        (NOON + timedelta(minutes=15), 45),
        (NOON + timedelta(minutes=15), 7),
        (NOON.replace(hour=0), 49),
    ]
    assert [each.span for each in RESOLUTIONS] == [timedelta(minutes=15), timedelta(minutes=15), timedelta(days=1)]


@given(st.floats(0, 4e9))
def test_each_moment_has_one_value_of_a_row(since_1970):
    moment = datetime.fromtimestamp(since_1970, UTC)
    for each in RESOLUTIONS:
        begins, slot = each.begin(moment), each.slot(moment)
        assert 0 <= slot < each.values
        assert begins + timedelta(seconds=slot * each.step_s) <= moment < begins + timedelta(seconds=(slot + 1) * each.step_s)


@pytest.mark.parametrize("shown", Range)
def test_a_range_has_a_few_hundred_points_that_end_now(shown):
    view = shown.view
    times = view.times(NOON)
    assert 100 < len(times) <= 400
    assert times[-1] == NOON.timestamp()
    assert len(times) * view.step_s == view.length.total_seconds()
    assert view.step_s % view.resolution.step_s == 0
    assert view.resolution in (FINE, MINUTES, QUARTERS)
    assert view.length <= view.resolution.kept


def test_only_known_ranges_are_read():
    assert read_range("7d") is Range.WEEK
    with pytest.raises(Invalid, match=r"1y.* is not a range"):
        read_range("1y")


def test_the_newest_highest_and_mean_value_leave_gaps_out():
    found = series([0.0, 0.0, 0.0, None], cpu=[0.5, None, 1.0, None])
    assert (found.last(Measure.CPU), found.peak(Measure.CPU), found.mean(Measure.CPU)) == (1.0, 1.0, 0.75)
    assert (found.last(Measure.DISK), found.peak(Measure.DISK), found.mean(Measure.DISK)) == (None, None, None)


@pytest.mark.parametrize(
    ("restarts", "counts"),
    [
        ([None, 3.0, 3.0, None, 5.0], [0, 0, 0, 0, 2]),
        ([4.0, 0.0, 1.0], [0, 0, 1]),
        ([4.0, 2.0], [0, 2]),
        ([], []),
    ],
)
def test_restarts_are_counted_between_points(restarts, counts):
    assert series(restarts).restarted() == counts


def test_restarts_are_incidents():
    at = int(NOON.timestamp())
    history = History(Range.HOUR, [at, at + 20, at + 40], [series([0.0, 1.0, 4.0])])
    assert [(mark.at - NOON, mark.kind, mark.text) for mark in history.incidents()] == [
        (timedelta(seconds=20), MarkKind.INCIDENT, "web.1 crashed"),
        (timedelta(seconds=40), MarkKind.INCIDENT, "web.1 crashed 3 times"),
    ]
    assert history.step_s == 20


def test_a_dyno_is_a_line_at_a_terminal():
    values = {Measure.CPU: [0.5, 1.0], Measure.MEMORY: [52_000_000.0, 50_000_000.0], Measure.RECEIVED: [None, 1500.0]}
    assert row(series([0.0, 2.0], **values)) == ("web.1", "1.00", "0.75", "1.00", "50.0 MB", "52.0 MB", "-", "1.5 kB/s", "-", "2")
