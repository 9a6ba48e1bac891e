"""Log drains: what their URLs may be, what is shown of them, and what waits to be sent."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain import log_drain
from skypanel.domain.errors import Invalid
from skypanel.domain.log import parse_stored
from skypanel.domain.log_drain import (
    BATCH_LINES,
    LONGEST_PAUSE_S,
    Backlog,
    Message,
    Shipment,
    check_url,
    logplex_frames,
    pause_s,
    scheme_of,
    shown,
    syslog_frames,
)

NOW = datetime(2024, 1, 1, tzinfo=UTC)
TIME = "2024-01-01T00:00:00.000000+00:00"


def line(text, process="web.1"):
    return Message(TIME, "app", process, text)


def message(stored):
    """Return a line of a log file as a message, or None if it is not one."""
    read = parse_stored(stored)
    return read and log_drain.message(read)


@pytest.mark.parametrize(
    ("url", "seen", "port"),
    [
        ("syslog://logs.example.com", "syslog://logs.example.com", 514),
        ("syslog+tls://logs.example.com:1234", "syslog+tls://logs.example.com:1234", 6514),
        ("https://logs.example.com", "https://logs.example.com", 443),
        ("https://logs.example.com/k3y", "https://logs.example.com/...", 443),
        ("https://logs.example.com?key=k3y", "https://logs.example.com/...", 443),
        ("https://me:k3y@logs.example.com:8443", "https://logs.example.com:8443/...", 443),
        ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443", 443),
    ],
)
def test_what_a_url_may_be_and_what_is_shown_of_it(url, seen, port):
    assert check_url(url) == url
    assert shown(url) == seen
    assert scheme_of(url).port == port


@pytest.mark.parametrize(
    "wrong",
    [
        "", "logs.example.com", "http://k3y.example.com/", "ftp://k3y.example.com", "https://", "https:///k3y", "https://k3y.example.com:0",
        "https://k3y.example.com:x", "https://k3y.example.com/#here", "https://k3y .example.com", "https://" + "k3y" * 200,
        "syslog://k3y.example.com/path", "syslog://me:k3y@example.com", "syslog+tls://example.com?k3y", "https://[k3y", "https://-k3y.example.com",
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_drain_is_refused_and_not_repeated(wrong):
    with pytest.raises(Invalid) as refused:
        check_url(wrong)
    assert "k3y" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "priority"),
    [("app[web.1]: hello", 190), ("app[api]: Release v2", 190), ("skypanel[router]: at=info", 158), ("skypanel[web.1]: up", 45)],
)
def test_lines_have_herokus_priorities(text, priority):
    assert message(f"{TIME} {text}").priority == priority


def test_a_line_is_a_message_whatever_its_text_is():
    assert message(f"{TIME} app[web.1]: a: b[c]: d") == line("a: b[c]: d")
    assert message(f"{TIME} app[web.1]: ") == line("")
    assert message("nonsense") is None


@given(st.lists(st.text(st.characters(exclude_characters="\n")), max_size=5))
def test_frames_can_be_told_apart_by_their_lengths(texts):
    for frames, before in ((syslog_frames, 8), (logplex_frames, 7)):
        body, found = frames(Shipment("1", "d.1", [line(text) for text in texts])), []
        while body:
            length, _, body = body.partition(b" ")
            frame, body = body[: int(length)], body[int(length) :]
            found.append(frame.decode().removesuffix("\n").split(" ", before - 1)[-1])
        assert found == [text.encode(errors="replace").decode() for text in texts]


@given(st.lists(st.one_of(st.integers(0, 3000), st.none()), max_size=60), st.integers(1000, 20_000))
def test_a_backlog_is_bounded_keeps_the_order_and_loses_the_oldest_lines_by_count(steps, max_bytes):
    """A step is a message of some length, or None to take some."""
    backlog, put, got, told, dropped = Backlog(max_bytes), 0, [], 0, 0
    for step in [*steps, None]:
        if step is not None:
            dropped += backlog.put(line("x" * step, f"web.{put + 1}"), NOW)
            put += 1
            continue
        while (taken := backlog.take(NOW)).messages:
            told += taken.missed
            got += [int(each.process.partition(".")[2]) for each in taken.messages[-taken.lines :]]
    assert got == sorted(got)
    assert len(got) + dropped == put
    assert told == dropped or got[-1:] != [put]


def test_dropped_lines_are_told_once_before_the_next_ones():
    backlog = Backlog(1000)
    backlog.put(line("a" * 500), NOW)
    backlog.put(line("b" * 500), NOW)
    first, second = backlog.take(NOW).messages
    assert first.text == "Error L10 (output buffer overflow): 1 messages dropped since 2024-01-01T00:00:00.000000+00:00."
    assert (first.app_name, first.process, first.priority) == ("skypanel", "logplex", 172)
    assert second.text[0] == "b"
    backlog.miss(3, NOW)
    assert backlog.take(NOW).messages == []
    backlog.put(line("c"), NOW)
    assert [each.text[:12] for each in backlog.take(NOW).messages] == ["Error L10 (o", "c"]


def test_a_batch_is_bounded():
    backlog = Backlog(10**9)
    for _ in range(BATCH_LINES + 5):
        backlog.put(line("x"), NOW)
    assert backlog.take(NOW).lines == BATCH_LINES
    assert backlog.take(NOW).lines == 5
    for _ in range(5):
        backlog.put(line("x" * 300_000), NOW)
    assert [backlog.take(NOW).lines for _ in range(4)] == [2, 2, 1, 0]


def test_pauses_grow_to_a_minute():
    assert [pause_s(number) for number in (1, 2, 3, 7, 1000)] == [1, 2, 4, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
