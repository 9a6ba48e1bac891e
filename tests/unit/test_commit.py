import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.commit import MAX_AUTHOR, MAX_SUBJECT, Note


@pytest.mark.parametrize(
    ("message", "author", "note"),
    [
        ("Add a door\n\nIt squeaks.\n", "Ada Lovelace <ada@example.com>", Note("Add a door", "Ada Lovelace")),
        ("\n\n  Late first line", "<ada@example.com>", Note("Late first line", "ada@example.com")),
        ("", "", Note("", "")),
        ("red \x1b[31m and \u202eback", "A\tB <a@b>", Note("red [31m and back", "A B")),
        ("x" * 300, "y" * 300 + " <y@y>", Note("x" * 199 + "…", "y" * 99 + "…")),
    ],
)
def test_note(message, author, note):
    assert Note.of(message, author) == note


@given(st.text(), st.text())
def test_note_is_one_printable_line(message, author):
    note = Note.of(message, author)
    assert (note.subject + note.author).isprintable()
    assert len(note.subject) <= MAX_SUBJECT
    assert len(note.author) <= MAX_AUTHOR
