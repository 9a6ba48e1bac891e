import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.terminal import clean, lines

SNIPPETS = st.sampled_from(
    ["\x1b[31m", "\x1b[0m", "\x1b[2J", "\x1b]0;title\x07", "\x1bc", "\x1b", "[", "m", "\x9b", "\r", "\n", "é", "文", "\x1b[3"]
)
HOSTILE = st.lists(SNIPPETS | st.text(max_size=5)).map("".join)
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("plain\ttext", "plain\ttext"),
        ("\x1b[1;32mgreen\x1b[0m done", "\x1b[1;32mgreen\x1b[0m done"),
        ("\x1b[38:2::1:2:3mtrue colour\x1b[m", "\x1b[38:2::1:2:3mtrue colour\x1b[m"),
        ("\x1b[31mnever reset", "\x1b[31mnever reset\x1b[0m"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\control", "control"),
        ("\x1bc\x1b(0\x1b7reset", "reset"),
        ("\x1b]0;never ended", "0;never ended"),
        ("a\x00b\x07c\x08d\x7fe\x9bf\u2028g", "abcdefg"),
    ],
)
def test_only_colours_and_tabs_are_left(printed, shown):
    assert clean(printed) == shown


@given(HOSTILE)
def test_no_line_controls_a_terminal(text):
    for line in lines(text):
        assert not CONTROL.search(COLOUR.sub("", line))
        assert clean(line) == line


@given(st.text(alphabet="aé文🙂", max_size=200), st.integers(4, 50))
def test_cutting_loses_nothing_and_splits_no_character(text, max_bytes):
    pieces = list(lines(text, max_bytes))
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= max_bytes for piece in pieces)


def test_a_progress_bar_shows_its_last_state():
    assert list(lines("10%\r50%\r100%\r")) == ["100%"]
    assert list(lines("windows\r\nlines\r")) == ["windows", "lines"]


def test_what_is_no_text_is_replaced():
    assert list(lines("\ud800")) == ["?"]


def test_hostile_text_takes_no_time():
    assert len(clean("\x1b]" * 500_000)) == 0
    assert clean("\x1b[" * 200_000 + "m")
