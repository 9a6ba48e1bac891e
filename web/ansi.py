"""Splits a line of output into parts with style classes: the colours of a terminal, without its escapes.

domain/terminal.py has removed all other escapes. Codes are those of ECMA-48 (8.3.117) and, for bright colours, of aixterm. Inline styles
are forbidden to pages. So each of xterm's 256 colours has a class, and a 24-bit colour becomes the nearest of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

_COLOUR = re.compile(r"\x1b\[([0-9;:]*)m")
_NORMAL, _BRIGHT = range(30, 38), range(90, 98)
# Themes choose the first 16 colours (web/static/style.css). A cube of 6 levels a channel and 24 greys follow.
NAMED, GREY, COLOURS = 16, 232, 256
_LEVELS = (0, 95, 135, 175, 215, 255)
# Logs are dark: darker colours than this are lightened to be readable on them.
_LEAST_LIGHT = 110
_HALF_LIGHT = 128
_FOREGROUND, _DEFAULT, _OTHER = 38, 39, 58
_BACK, _BRIGHT_BACK, _BACKGROUND, _NO_BACKGROUND = range(40, 48), range(100, 108), 48, 49
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
    colour, back, styles = "", "", _NONE
    # The pieces alternate: text, codes, text.
    for index, piece in enumerate(_COLOUR.split(text)):
        if index % 2:
            colour, back, styles = _changed(piece, colour, back, styles)
        elif piece:
            parts.append((" ".join(filter(None, (colour, back, *sorted(styles)))), piece))
    return StyledLine(kind, tuple(parts))


def _changed(codes: str, colour: str, back: str, styles: frozenset[str]) -> tuple[str, str, frozenset[str]]:  # noqa: C901 - a table of codes
    rest = iter([int(code or 0) for code in codes.replace(":", ";").split(";")])
    for code in rest:
        if code == 0:
            colour, back, styles = "", "", _NONE
        elif code in _NORMAL:
            colour = f"c{code - _NORMAL.start}"
        elif code in _BRIGHT:
            colour = f"c{code - _BRIGHT.start + 8}"
        elif code == _FOREGROUND:
            colour = _extended(rest, "c")
        elif code == _DEFAULT:
            colour = ""
        elif code in _BACK:
            back = f"b{code - _BACK.start}"
        elif code in _BRIGHT_BACK:
            back = f"b{code - _BRIGHT_BACK.start + 8}"
        elif code == _BACKGROUND:
            back = _extended(rest, "b")
        elif code == _NO_BACKGROUND:
            back = ""
        elif code == _OTHER:
            _extended(rest, "")
        else:
            styles = (styles | _ON.get(code, _NONE)) - _OFF.get(code, _NONE)
    return colour, back, styles


def _extended(rest: Iterator[int], letter: str) -> str:
    """Consume the parameters of an extended colour (ITU-T T.416, 13.1.8), and return its class."""
    kind = next(rest, 0)
    if kind == _RGB:
        channels = tuple(islice(rest, 3))
        number = nearest(channels) if len(channels) == len("rgb") and max(channels) < COLOURS else COLOURS
    else:
        number = next(rest, COLOURS) if kind == _PALETTE else COLOURS
    return f"{letter}{number}" if number < COLOURS else ""


def plain(text: str) -> str:
    """Return a line without colours."""
    return "".join(part for _, part in parse(text).parts) if "\x1b" in text else text


def rgb(number: int) -> tuple[int, ...]:
    """Return the red, green and blue of a colour of xterm's palette, from 16 on."""
    if number >= GREY:
        return (8 + 10 * (number - GREY),) * 3
    index = number - NAMED
    return tuple(_LEVELS[index // step % 6] for step in (36, 6, 1))


@lru_cache(maxsize=4096)
def nearest(channels: tuple[int, ...]) -> int:
    """Return the number of the colour of the palette, from 16 on, that is nearest to a red, green and blue."""
    return min(range(NAMED, COLOURS), key=lambda number: sum((a - b) ** 2 for a, b in zip(rgb(number), channels, strict=True)))


def stylesheet() -> bytes:
    """Return the rules for the classes of the colours from 16 on."""
    palette = [(number, rgb(number)) for number in range(NAMED, COLOURS)]
    rules = [f".c{number} {{ color: #{bytes(_readable(channels)).hex()}; }}\n" for number, channels in palette]
    # They come last, so that text on a background can be read whatever its own colour is.
    rules += [f".b{number} {{ background: #{bytes(channels).hex()}; color: {_on(channels)}; }}\n" for number, channels in palette]
    return "".join(rules).encode()


def _on(channels: tuple[int, ...]) -> str:
    return "#000" if _light(channels) >= _HALF_LIGHT else "#fff"


def _light(channels: tuple[int, ...]) -> float:
    """Return how light a colour is, from 0 to 255, by the weights of ITU-R BT.601."""
    return sum(weight * channel for weight, channel in zip((0.299, 0.587, 0.114), channels, strict=True))


def _readable(channels: tuple[int, ...]) -> tuple[int, ...]:
    """Mix a colour with white until it is light enough."""
    light = _light(channels)
    if light >= _LEAST_LIGHT:
        return channels
    share = (_LEAST_LIGHT - light) / (255 - light)
    return tuple(round(channel + share * (255 - channel)) for channel in channels)
