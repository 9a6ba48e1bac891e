"""Splits the output of a process into lines of text."""

MAX_LINE_BYTES = 16 * 1024
_CONTINUATION_MASK = 0xC0
_CONTINUATION = 0x80


class LineSplitter:
    """Splits a stream of bytes into lines: UTF-8 with replacement, overlong lines in pieces.

    A carriage return starts the line again, as in a terminal. So only the last state of a progress bar remains.
    """

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._rest = b""
        self._max = max_bytes

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that `chunk` completes."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        lines = [piece for line in whole for piece in self._pieces(line)]
        if len(self._rest) > self._max:
            self._rest = _last_state(self._rest)
        while len(self._rest) > self._max:
            at = _boundary(self._rest, self._max)
            lines.append(_text(self._rest[:at]))
            self._rest = self._rest[at:]
        return lines

    def end(self) -> list[str]:
        """Return the rest at the end of the stream."""
        rest, self._rest = self._rest, b""
        return self._pieces(rest) if rest else []

    def _pieces(self, line: bytes) -> list[str]:
        line = _last_state(line).removesuffix(b"\r")
        pieces = []
        while len(line) > self._max:
            at = _boundary(line, self._max)
            pieces.append(_text(line[:at]))
            line = line[at:]
        return [*pieces, _text(line)]


def _last_state(line: bytes) -> bytes:
    """Drop what a carriage return overwrote. One at the very end stays, as it may be half of a line end."""
    body = line.rstrip(b"\r")
    return body.rpartition(b"\r")[2] + (b"\r" if len(body) < len(line) else b"")


def _boundary(line: bytes, at: int) -> int:
    """Return the last position up to `at` that does not split a UTF-8 sequence."""
    for back in range(4):
        if line[at - back] & _CONTINUATION_MASK != _CONTINUATION:
            return at - back
    return at


def _text(line: bytes) -> str:
    return line.decode(errors="replace").replace("\0", "\ufffd")
