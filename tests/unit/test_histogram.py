"""Parts of a time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.histogram import MAX_BUCKETS, Buckets

NOW = datetime(2026, 6, 1, 12, 34, 56, 789_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "step", "number"),
    [
        (timedelta(seconds=1), timedelta(seconds=1), 2),
        (timedelta(minutes=1), timedelta(seconds=1), 61),
        (timedelta(hours=1), timedelta(minutes=1), 61),
        (timedelta(days=1), timedelta(minutes=30), 49),
        (timedelta(days=7), timedelta(hours=6), 29),
        (timedelta(days=365), timedelta(days=7), 53),
    ],
)
def test_they_are_as_fine_as_a_chart_can_show(time, step, number):
    buckets = Buckets.over(NOW - time, NOW)
    assert (buckets.step, buckets.number) == (step, number)


@given(st.timedeltas(timedelta(days=-9000), timedelta(days=9000)), st.timedeltas(timedelta(), timedelta(days=9000)))
def test_they_cover_a_time_at_multiples_of_their_length(away, time):
    until = NOW + away
    since = until - time
    buckets = Buckets.over(since, until)
    assert buckets.start <= since
    assert until <= buckets.end
    assert 1 <= buckets.number <= MAX_BUCKETS
    assert (buckets.start - datetime(1970, 1, 1, tzinfo=UTC)) % buckets.step == timedelta()


def test_of_more_than_they_can_cover_they_cover_the_end():
    buckets = Buckets.over(datetime(1500, 1, 1, tzinfo=UTC), NOW)
    assert buckets.number == MAX_BUCKETS
    assert NOW <= buckets.end < NOW + buckets.step


def test_each_time_is_in_one_bucket_or_none():
    buckets = Buckets(NOW, timedelta(seconds=10), 3)
    assert [buckets.at(NOW + timedelta(seconds=seconds)) for seconds in (-0.1, 0, 9.9, 10, 29.9, 30)] == [None, 0, 0, 1, 2, None]
    assert [buckets.edge(number) for number in (0, 3)] == [NOW, buckets.end]
