"""Splits a line of output into parts with style classes: the colours of a terminal, without its escapes.

domain/terminal.py has removed all other escapes. Codes are those of ECMA-48 (8.3.117) and, for bright colours, of aixterm.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

_COLOUR = re.compile(r"\x1b\[([0-9;:]*)m")
_NORMAL, _BRIGHT = range(30, 38), range(90, 98)
NAMED = 16
_FOREGROUND, _DEFAULT, _OTHERS = 38, 39, {48, 58}
_PALETTE, _RGB = 5, 2
_NONE = frozenset[str]()
_ON = {1: frozenset({"bold"}), 2: frozenset({"dim"}), 3: frozenset({"italic"}), 4: frozenset({"underline"})}
_OFF = {22: frozenset({"bold", "dim"}), 23: frozenset({"italic"}), 24: frozenset({"underline"})}

_KINDS = (("----->", "heading"), (" !  ", "failure"))


@dataclass(frozen=True)
class StyledLine:
    """A line: its kind, and its parts. Each part is a pair of class names and text."""

    kind: str
    parts: tuple[tuple[str, str], ...]


def parse(text: str) -> StyledLine:
    """Parse the colours of a line."""
    kind = next((kind for start, kind in _KINDS if text.startswith(start)), "")
    parts: list[tuple[str, str]] = []
    colour, styles = "", _NONE
    # The pieces alternate: text, codes, text.
    for index, piece in enumerate(_COLOUR.split(text)):
        if index % 2:
            colour, styles = _changed(piece, colour, styles)
        elif piece:
            parts.append((" ".join(filter(None, (colour, *sorted(styles)))), piece))
    return StyledLine(kind, tuple(parts))


def _changed(codes: str, colour: str, styles: frozenset[str]) -> tuple[str, frozenset[str]]:
    rest = iter([int(code or 0) for code in codes.replace(":", ";").split(";")])
    for code in rest:
        if code == 0:
            colour, styles = "", _NONE
        elif code in _NORMAL:
            colour = f"c{code - _NORMAL.start}"
        elif code in _BRIGHT:
            colour = f"c{code - _BRIGHT.start + 8}"
        elif code == _FOREGROUND:
            colour = _extended(rest)
        elif code == _DEFAULT:
            colour = ""
        elif code in _OTHERS:
            _extended(rest)
        else:
            styles = (styles | _ON.get(code, _NONE)) - _OFF.get(code, _NONE)
    return colour, styles


def _extended(rest: Iterator[int]) -> str:
    """Consume the parameters of an extended colour (ITU-T T.416, 13.1.8). Only the palette's first 16 have classes."""
    kind = next(rest, 0)
    if kind == _RGB:
        list(islice(rest, 3))
    number = next(rest, NAMED) if kind == _PALETTE else NAMED
    return f"c{number}" if number < NAMED else ""
