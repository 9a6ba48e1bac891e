"""What people write to choose lines of a log."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Invalid
from skypanel.domain.log import Cursor, Level, LogQuery, Source, stamp
from skypanel.domain.log_filter import LogFilter, moment

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_nothing_written_is_no_condition():
    assert LogFilter().query(NOW) == LogQuery()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("1h30m", NOW - timedelta(hours=1, minutes=30)),
        ("7d", NOW - timedelta(days=7)),
        ("52w", NOW - timedelta(weeks=52)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T14:30", datetime(2026, 1, 31, 14, 30, tzinfo=UTC)),
        ("2026-01-31T14:30:05.5Z", datetime(2026, 1, 31, 14, 30, 5, 500_000, tzinfo=UTC)),
        ("2026-01-31T14:30+02:00", datetime(2026, 1, 31, 12, 30, tzinfo=UTC)),
    ],
)
def test_times_are_moments_or_how_long_ago(text, expected):
    assert moment(text, NOW) == expected
    assert LogFilter(since=text).query(NOW).since == expected
    assert LogFilter(until=text).query(NOW).until == expected


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (LogFilter(since="soon"), "This is not a time: 'soon'"),
        (LogFilter(since="5"), "This is not a time: '5'"),
        (LogFilter(since="1h "), "This is not a time: '1h '"),
        (LogFilter(until="999999w"), "This is not a time: '999999w'"),
        (LogFilter(since="0001-01-01T00:00+23:59"), "This is not a time: '0001-01-01T00:00+23:59'"),
        (LogFilter(since="\x1b[2J"), r"This is not a time: '\x1b[2J'"),
        (LogFilter(since="1h", until="2h"), "The time range ends before it begins."),
        (LogFilter(since="1h", until="1h"), "The time range ends before it begins."),
        (LogFilter(search="a" * 201), "The search is too long."),
        (LogFilter(level="bad"), "There is no level 'bad'."),
        (LogFilter(source="logplex"), "There is no source 'logplex'."),
        (LogFilter(source="app,"), "There is no source ''."),
        (LogFilter(dyno="web.x"), "This is not a dyno: 'web.x'"),
        (LogFilter(dyno="../web"), "This is not a dyno: '../web'"),
    ],
)
def test_what_cannot_be_read_is_explained(written, message):
    with pytest.raises(Invalid) as error:
        written.query(NOW)
    assert error.value.message == message
    assert error.value.hint


def test_a_level_stands_for_the_worse_ones_and_sources_may_be_several():
    assert LogFilter(level="error").query(NOW).levels == {Level.ERROR, Level.CRITICAL}
    assert LogFilter(source="router, system").query(NOW).sources == {Source.ROUTER, Source.SYSTEM}
    assert LogFilter(search=" two  words ", regex="5..", dyno="web").query(NOW) == LogQuery(
        words=("two", "words"), pattern="5..", dyno="web"
    )


@given(st.text(max_size=30))
def test_any_text_is_a_time_in_utc_or_invalid(text):
    try:
        found = moment(text, NOW)
    except Invalid:
        return
    assert found is None or stamp(found)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59/1", "9999-12-31T23:59:59-23:59/1"])
def test_a_cursor_outside_of_all_time_is_none(text):
    assert Cursor.parse(text) is None


def test_the_time_of_a_cursor_is_in_utc():
    assert Cursor.parse("2026-01-31T14:30:00+02:00/3") == Cursor(datetime(2026, 1, 31, 12, 30, tzinfo=UTC), 3)
