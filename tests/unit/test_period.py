"""Periods that usage is shown for."""

from datetime import UTC, date, datetime

import pytest

from skypanel.domain.errors import Invalid
from skypanel.domain.period import MAX_DAYS, read_period

NOW = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "first", "last", "count"),
    [
        (("", "", ""), date(2026, 11, 1), date(2026, 11, 30), 30),
        (("2028-02", "", ""), date(2028, 2, 1), date(2028, 2, 29), 29),
        (("", "2026-11-30", "2026-11-30"), date(2026, 11, 30), date(2026, 11, 30), 1),
        (("2020-01", "2026-12-30", "2027-01-02"), date(2026, 12, 30), date(2027, 1, 2), 4),
    ],
)
def test_a_month_or_days_are_read(asked, first, last, count):
    found = read_period(*asked, NOW)
    assert (found.first, found.last) == (first, last)
    assert (found.days()[0], found.days()[-1], len(found.days())) == (first, last, count)


@pytest.mark.parametrize(
    "asked",
    [
        ("2026-13", "", ""), ("<b>", "", ""), ("", "2026-11-30", ""), ("", "", "2026-11-30"), ("", "2026-11-30", "2026-11-29"),
        ("", "2026-02-30", "2026-03-01"), ("", "0001-01-01", "0001-01-02"), ("", "9999-12-31", "9999-12-31"),
        ("", "2025-01-01", "2026-01-02"), ("", "2026-11-3\0", "2026-11-30"),
    ],
)  # fmt: skip
def test_what_is_no_period_is_refused(asked):
    with pytest.raises(Invalid):
        read_period(*asked, NOW)


def test_the_longest_period_is_a_leap_year():
    assert len(read_period("", "2028-01-01", "2028-12-31", NOW).days()) == MAX_DAYS


@pytest.mark.parametrize(
    ("asked", "first", "after"),
    [
        (("2026-11", "", ""), date(2026, 11, 1), date(2026, 12, 1)),
        (("", "2025-12-01", "2026-11-30"), date(2025, 12, 1), date(2026, 12, 1)),
        (("", "2026-01-02", "2026-05-30"), date(2026, 2, 1), date(2026, 5, 1)),
        (("", "2026-11-01", "2026-11-29"), date(2026, 11, 30), date(2026, 11, 30)),
        (("", "2026-10-02", "2026-11-29"), date(2026, 11, 30), date(2026, 11, 30)),
    ],
)
def test_it_knows_its_whole_months(asked, first, after):
    assert read_period(*asked, NOW).months() == (first, after)


@pytest.mark.parametrize(
    ("asked", "before", "after"),
    [
        (("2026-01", "", ""), (date(2025, 12, 1), date(2025, 12, 31)), (date(2026, 2, 1), date(2026, 2, 28))),
        (("", "2026-11-10", "2026-11-12"), (date(2026, 11, 7), date(2026, 11, 9)), (date(2026, 11, 13), date(2026, 11, 15))),
    ],
)
def test_neighbours_are_as_long(asked, before, after):
    found = read_period(*asked, NOW)
    assert (found.earlier().first, found.earlier().last) == before
    assert (found.later().first, found.later().last) == after
    assert found.later().earlier() == found
