"""Makes the output of untrusted programs safe for a reader's terminal."""

import re
from collections.abc import Iterator

MAX_LINE_BYTES = 16 * 1024

_COLOUR = r"\x1b\[[0-9;:]{0,32}m"
_RESET = "\x1b[0m"
_RESETS = frozenset({"\x1b[m", _RESET})

# The control sequences of ECMA-48: CSI (5.4), strings such as OSC (5.6), other escapes. Then the rest of C0, DEL and C1, and the two
# Unicode separators that some readers treat as line ends. Colours match first, and are kept.
_SEQUENCE = re.compile(
    rf"(?P<colour>{_COLOUR})"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]"
)


def clean(text: str) -> str:
    """Return one line without control characters, except tabs and colours; colours are reset at its end."""
    if text.isprintable():
        # Most lines are: this takes a tenth of the time.
        return text
    last = ""

    def keep(match: re.Match[str]) -> str:
        nonlocal last
        last = match["colour"] or last
        return match["colour"] or ""

    cleaned = _SEQUENCE.sub(keep, text)
    return cleaned + _RESET if last and last not in _RESETS else cleaned


def lines(text: str, max_bytes: int = MAX_LINE_BYTES) -> Iterator[str]:
    """Yield the clean lines of a program's output.

    If carriage returns redraw a line, such as a progress bar, only its last state is kept. A line of more than `max_bytes` in UTF-8 is cut
    into several before it is cleaned. So if a cut splits a control sequence, both parts are cleaned.
    """
    for line in text.split("\n"):
        states = [state for state in line.split("\r") if state]
        for piece in _cut(states[-1] if states else "", max_bytes):
            yield clean(piece)


def _cut(line: str, max_bytes: int) -> Iterator[str]:
    rest = line.encode(errors="replace")
    while len(rest) > max_bytes:
        end = max_bytes
        while rest[end] & 0xC0 == 0x80:  # noqa: PLR2004 - a continuation byte (RFC 3629): do not cut a character
            end -= 1
        yield rest[:end].decode()
        rest = rest[end:]
    yield rest.decode()
