import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.host.lines import LineSplitter


def split(*chunks, **options):
    splitter = LineSplitter(**options)
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.end()


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b\nc"], ["ab", "c"]),
        ([b"\n\n"], ["", ""]),
        ([b"a\r\nb\r", b"\nc"], ["a", "b", "c"]),
        ([b"10%\r20%\r30%\n"], ["30%"]),
        ([b"10%\r", b"20%\r"], ["20%"]),
        ([b"\xff\n"], ["\ufffd"]),
        ([b"a\0b\n"], ["a\ufffdb"]),
        ([b"\xc3", b"\xa9\n"], ["é"]),
        ([], []),
    ],
)
def test_lines(chunks, lines):
    assert split(*chunks) == lines


def test_a_long_line_is_cut_between_characters():
    assert split(b"aaa\xc3\xa9b\n", max_bytes=4) == ["aaa", "éb"]
    assert split(b"x" * 10, max_bytes=4) == ["xxxx", "xxxx", "xx"]


def test_a_progress_bar_without_end_takes_no_memory():
    splitter = LineSplitter(max_bytes=100)
    for _ in range(1000):
        assert splitter.feed(b"x" * 20 + b"\r") == []
    assert len(splitter._rest) <= 120  # noqa: SLF001 - what it holds is the point


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_how_it_is_chunked_does_not_matter(chunks):
    assert split(*chunks) == split(b"".join(chunks))
    assert split(*chunks) == split(*[bytes([byte]) for byte in b"".join(chunks)])


@given(st.binary(max_size=200), st.integers(4, 20))
def test_no_line_is_longer_than_allowed(body, limit):
    assert all(len(line.encode()) <= limit * 3 for line in split(body, max_bytes=limit))
