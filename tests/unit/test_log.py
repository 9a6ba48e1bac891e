from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from skypanel.domain import log
from skypanel.domain.errors import Invalid
from skypanel.domain.log import Level, Source

NOW = datetime(2024, 1, 1, tzinfo=UTC)
APP = UUID(int=1)


def said(**fields):
    return {
        "again": False,
        "lines": [{"app_id": str(APP), "dyno": "web.1", "time": "2023-12-31T00:00:00.123456789Z", "text": "x"} | fields],
    }


def parsed(**fields):
    return [str(line) for line in log.parse(said(**fields), NOW).lines[APP]]


def test_a_line_reads_as_everywhere():
    assert parsed() == ["2023-12-31T00:00:00.123456+00:00 app[web.1]: x"]
    assert parsed(text="[skypanel] Stopping") == ["2023-12-31T00:00:00.123456+00:00 skypanel[web.1]: Stopping"]
    assert parsed(text="") == ["2023-12-31T00:00:00.123456+00:00 app[web.1]: "]


def test_a_line_is_brief_without_its_day_and_its_dyno():
    lines = [*parsed(text="a: b"), *parsed(text="[skypanel] Stopping"), "... 3 lines ..."]
    assert list(map(log.brief, lines)) == ["00:00:00 a: b", "00:00:00 Stopping", "... 3 lines ..."]


@pytest.mark.parametrize(
    ("time", "kept"),
    [("2023-12-31T00:00:00Z", "00.000000"), ("2023-12-31T00:00:00.5Z", "00.500000"), ("2023-12-31T00:00:00.000000999Z", "00.000000")],
)
def test_times_have_microseconds(time, kept):
    assert parsed(time=time) == [f"2023-12-31T00:00:{kept}+00:00 app[web.1]: x"]


def test_a_line_from_the_future_is_from_now():
    late = (NOW + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert parsed(time=late) == ["2024-01-01T00:00:00.000000+00:00 app[web.1]: x"]


def test_one_line_cannot_pass_for_another():
    forged = "x\n2024-01-01T00:00:00.000000+00:00 skypanel[web.1]: forged"
    assert all(line.startswith("2023-12-31T00:00:00.123456+00:00 app[web.1]: ") for line in parsed(text=forged))
    assert parsed(text="a\u2028b\x07\ud800") == ["2023-12-31T00:00:00.123456+00:00 app[web.1]: ab?"]


def test_a_long_line_is_several():
    assert [len(line) - len(parsed(text="")[0]) for line in parsed(text="a" * 40_000)] == [16 * 1024, 16 * 1024, 40_000 - 32 * 1024]


@pytest.mark.parametrize("wrong", [None, 1, "x", [], {}, {"lines": []}, {"again": False, "lines": [1]}, {"again": False, "lines": [{}]}])
def test_what_is_no_batch_is_invalid(wrong):
    with pytest.raises(Invalid):
        log.parse(wrong, NOW)


def test_too_many_lines_are_invalid():
    many = said()
    many["lines"] *= log.MAX_LINES + 1
    with pytest.raises(Invalid):
        log.parse(many, NOW)


STORED = "2024-01-01T00:00:00.000001+00:00 {}: the text"


@pytest.mark.parametrize(
    ("who", "source", "dyno"),
    [
        ("app[web.1]", Source.APP, "web.1"),
        ("app[run.1234]", Source.APP, "run.1234"),
        ("app[release.1]", Source.RELEASE, "release.1"),
        ("app[release]", Source.RELEASE, ""),
        ("app[api]", Source.API, ""),
        ("app[build]", Source.BUILD, ""),
        ("app[build.1]", Source.APP, "build.1"),
        ("skypanel[router]", Source.ROUTER, ""),
        ("skypanel[router.1]", Source.SYSTEM, "router.1"),
        ("skypanel[web.1]", Source.SYSTEM, "web.1"),
        ("skypanel[system]", Source.SYSTEM, ""),
    ],
)
def test_a_stored_line_is_read_back(who, source, dyno):
    line = log.LogLine(dyno, NOW + timedelta(microseconds=1), "the text", source)
    assert log.parse_stored(STORED.format(who)) == line
    assert str(line) == STORED.format(who)


@pytest.mark.parametrize(
    "damaged", ["", "x", "\x00", STORED.format("web.1"), STORED.format("app[]"), STORED.format("app[a]").replace("01-01", "13-01")]
)
def test_what_is_no_stored_line_is_none(damaged):
    assert log.parse_stored(damaged) is None


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("", None),
        ("GET / 200", None),
        ("no error here", None),
        ('{"level":"error","msg":"x"}', Level.ERROR),
        ('{"time":1,"level": 50,"msg":"pino"}', Level.ERROR),
        ('{"severity" : "WARNING"}', Level.WARNING),
        ('{"levelname": "CRITICAL"}', Level.CRITICAL),
        ('{"msg":"\\"level\\":\\"error\\""}', None),
        ('{"level":"errors"}', None),
        ('{"level":500}', None),
        ("ts=1 level=debug msg=x", Level.DEBUG),
        ('level="warn"', Level.WARNING),
        ("sublevel=error", None),
        ("2024-01-01 [INFO] serving", Level.INFO),
        ("[2024-01-01] [ Error ] x", Level.ERROR),
        ("[web] [fatal] x", Level.CRITICAL),
        ("[errors]", None),
        ("\x1b[31m[ERROR]\x1b[0m x", Level.ERROR),
    ],
)
def test_the_level_is_what_the_text_states(text, level):
    assert log.LogLine("web.1", NOW, text).level == level


def test_the_level_of_a_request_is_the_routers():
    assert [log.LogLine("", NOW, text, Source.ROUTER).level for text in ("at=error code=H12", 'at=info path="/[error]"', "x")] == [
        Level.ERROR,
        Level.INFO,
        None,
    ]


def test_the_level_of_a_long_line_is_found_fast():
    for text in ("[" * 16_000, '"level"' + " " * 16_000, '"level":' * 2_000, "[ " * 8_000):
        assert log.LogLine("web.1", NOW, text).level is None


def output(*texts, source="app"):
    return [f"2024-01-01T00:00:00.000000+00:00 {source}[web.1]: {text}" for text in texts]


class TestExcerpt:
    TRACEBACK = (
        "Traceback (most recent call last):",
        *(f'  File "app.py", line {number}' for number in range(20)),
        "KeyError: 'SECRET_KEY'",
    )

    def test_it_begins_where_the_app_says_why_it_ended(self):
        told = output(*self.TRACEBACK, "Worker failed to boot.")
        assert log.excerpt([*output(*map(str, range(90))), *told]) == told

    def test_of_many_lines_the_first_and_the_last_are_told(self):
        lines = output("Traceback (most recent call last):", *map(str, range(98)), "KeyError: 'SECRET_KEY'")
        told = log.excerpt([*output("before"), *lines])
        assert len(told) == log.EXCERPT_LINES
        assert (told[0], told[-1]) == (lines[0], lines[-1])
        assert told[20] == "... 61 lines ..."

    def test_without_such_words_it_is_the_last_lines(self):
        lines = output(*map(str, range(90)))
        assert log.excerpt(lines) == lines[-log.EXCERPT_LINES :]
        assert log.excerpt(lines[:3]) == lines[:3]
        assert log.excerpt([]) == []

    def test_only_what_the_app_itself_printed_begins_it(self):
        lines = output("Traceback (most recent call last):", source="skypanel") + output(*map(str, range(50)))
        assert log.excerpt(lines) == lines[-log.EXCERPT_LINES :]
