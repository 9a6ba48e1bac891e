import pytest
from hypothesis import given
from hypothesis import strategies as st

from web import ansi


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", [("", "plain")]),
        ("", []),
        ("\x1b[31mred\x1b[0m and not", [("c1", "red"), ("", " and not")]),
        ("\x1b[1;32mbold green\x1b[22m green\x1b[39m none", [("c2 bold", "bold green"), ("c2", " green"), ("", " none")]),
        ("\x1b[94mbright\x1b[m", [("c12", "bright")]),
        ("\x1b[38;5;9mnamed\x1b[38;5;200mnot named", [("c9", "named"), ("", "not named")]),
        ("\x1b[38;2;1;31;3;4munderlined", [("underline", "underlined")]),
        ("\x1b[48;5;1mbackground\x1b[41mtoo", [("", "background"), ("", "too")]),
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


CODES = st.from_regex(r"\x1b\[[0-9;:]{0,32}m", fullmatch=True)
TEXTS = st.text(st.characters(exclude_characters="\x1b"))


@given(st.lists(st.tuples(CODES, TEXTS), max_size=8))
def test_no_text_is_lost_whatever_the_codes(pieces):
    found = ansi.parse("".join(code + text for code, text in pieces))
    assert "".join(text for _, text in found.parts) == "".join(text for _, text in pieces)
    assert all(name.replace(" ", "").isalnum() or not name for name, _ in found.parts)
