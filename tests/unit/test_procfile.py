from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain import procfile
from skypanel.domain.errors import Invalid

types = st.text(ascii_letters + digits + "_-", min_size=1, max_size=30).filter(lambda name: name[0].isalnum())
commands = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=80)


def test_process_types_keep_the_order_of_the_file():
    parsed = procfile.parse("web: gunicorn app:app --bind 0.0.0.0:$PORT\n\n# jobs\nworker: python jobs.py\nrelease:./migrate\n")
    assert list(parsed.items()) == [
        ("web", "gunicorn app:app --bind 0.0.0.0:$PORT"),
        ("worker", "python jobs.py"),
        ("release", "./migrate"),
    ]


def test_windows_line_ends_and_a_byte_order_mark_are_read():
    assert procfile.parse("\ufeffweb: a\r\nworker: b\r\n") == {"web": "a", "worker": "b"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("web python app.py", ["Line 1", "web python app.py"]),
        ("web: a\nworker b\n", ["Line 2", "worker b"]),
        ("web:\n", ["Line 1"]),
        ("web: a\nweb: b", ["Line 2", "second time"]),
        ("we b: a", ["Line 1"]),
        ("-web: a", ["'-web'"]),
        ("a" * 31 + ": b", ["not a valid process type"]),
        ("web: " + "x" * 9000, ["8192"]),
    ],
)
def test_a_bad_line_is_named(text, words):
    with pytest.raises(Invalid) as caught:
        procfile.parse(text)
    assert all(word in str(caught.value) for word in words)
    assert caught.value.hint


@given(st.dictionaries(types, commands, max_size=20))
def test_what_is_written_is_read(processes):
    text = "".join(f"{name}: {command}\n" for name, command in processes.items())
    assert procfile.parse(text) == processes


@given(st.text())
def test_any_text_is_parsed_or_refused(text):
    try:
        parsed = procfile.parse(text)
    except Invalid:
        return
    assert all(command and "\0" not in command for command in parsed.values())
