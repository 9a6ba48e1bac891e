import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web import ansi
from web.ansi import COLOURS, NAMED, nearest, rgb, stylesheet


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", [("", "plain")]),
        ("", []),
        ("\x1b[31mred\x1b[0m and not", [("c1", "red"), ("", " and not")]),
        ("\x1b[1;32mbold green\x1b[22m green\x1b[39m none", [("c2 bold", "bold green"), ("c2", " green"), ("", " none")]),
        ("\x1b[94mbright\x1b[m", [("c12", "bright")]),
        ("\x1b[38;5;9mnamed\x1b[38;5;200mof the palette\x1b[38;5;256mnone", [("c9", "named"), ("c200", "of the palette"), ("", "none")]),
        ("\x1b[38;2;1;31;3;4munderlined", [("c232 underline", "underlined")]),
        ("\x1b[38;2;255;0;250mpink\x1b[38;2;1;2;256mnone\x1b[38;2;1mcut", [("c201", "pink"), ("", "none"), ("", "cut")]),
        ("\x1b[48;5;1mbackground\x1b[103mbright\x1b[49mnone", [("b1", "background"), ("b11", "bright"), ("", "none")]),
        ("\x1b[31;48;2;255;0;250mred on pink\x1b[0mnone", [("c1 b201", "red on pink"), ("", "none")]),
        ("\x1b[58;5;1munderline's colour\x1b[48;5;256mnone", [("", "underline's colour"), ("", "none")]),
        ("\x1b[38:5:3mby colons", [("c3", "by colons")]),
        ("\x1b[3;38mcut", [("italic", "cut")]),
        ("<script>", [("", "<script>")]),
    ],
)
def test_colours_become_classes(text, parts):
    assert list(ansi.parse(text).parts) == parts


@pytest.mark.parametrize(("text", "kind"), [("-----> Launching...", "heading"), (" !     Oh dear", "failure"), ("       Done", "")])
def test_lines_of_the_transcript_have_kinds(text, kind):
    assert ansi.parse(text).kind == kind


def test_every_colour_of_the_palette_has_a_rule_that_is_readable_on_dark():
    rules = re.findall(r"\.c(\d+) { color: #(\w{2})(\w{2})(\w{2}); }\n", stylesheet().decode())
    assert [int(number) for number, *_ in rules] == list(range(NAMED, COLOURS))
    for _, *channels in rules:
        red, green, blue = (int(channel, 16) for channel in channels)
        assert 0.299 * red + 0.587 * green + 0.114 * blue > 108


def test_text_on_every_background_is_readable():
    rules = re.findall(r"\.b(\d+) { background: #(\w{2})(\w{2})(\w{2}); color: #(000|fff); }\n", stylesheet().decode())
    assert [int(number) for number, *_ in rules] == list(range(NAMED, COLOURS))
    for _, *channels, text in rules:
        red, green, blue = (int(channel, 16) for channel in channels)
        assert (0.299 * red + 0.587 * green + 0.114 * blue >= 128) == (text == "000")


@pytest.mark.parametrize(
    ("number", "channels"), [(16, (0, 0, 0)), (21, (0, 0, 255)), (110, (135, 175, 215)), (231, (255,) * 3), (255, (238,) * 3)]
)
def test_the_palette_is_that_of_xterm(number, channels):
    assert rgb(number) == channels
    assert nearest(channels) == number


CODES = st.from_regex(r"\x1b\[[0-9;:]{0,32}m", fullmatch=True)
TEXTS = st.text(st.characters(exclude_characters="\x1b"))


@given(st.lists(st.tuples(CODES, TEXTS), max_size=8))
def test_no_text_is_lost_whatever_the_codes(pieces):
    found = ansi.parse("".join(code + text for code, text in pieces))
    assert "".join(text for _, text in found.parts) == "".join(text for _, text in pieces)
    assert all(name.replace(" ", "").isalnum() or not name for name, _ in found.parts)
