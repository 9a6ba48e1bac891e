"""The format of .env files, as the dotenv libraries of Python, Node.js and Ruby read it: lines of `KEY=value`.

A line may begin with `export`. A value may be in quotes, and then have several lines. Text after ` #` is a comment. Nothing is expanded: a
`$` is a `$`. If a key is there twice, the last line counts. No message repeats any text of the file, because that may be secret.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from skypanel.domain.config_vars import MAX_KEY_LENGTH, RESERVED_KEYS, check_key, check_value
from skypanel.domain.errors import Invalid

MAX_BYTES = 512 * 1024
MAX_PROBLEMS = 20

_START = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<key>[^\s=#'\"`]+)[ \t]*=")
_SPACE = re.compile(r"[ \t]*")
_EMPTY = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_COMMENT = re.compile(r"[ \t]#")
_QUOTED = {
    "'": re.compile(r"'(?P<text>[^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL),
    '"': re.compile(r'"(?P<text>[^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL),
    "`": re.compile(r"`(?P<text>[^`]*)`"),
}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@dataclass(frozen=True)
class Problem:
    """Why a line cannot be read; lines count from 1."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}"


@dataclass(frozen=True)
class Parsed:
    """The values of a file by key, in order, and its problems."""

    values: Mapping[str, str] = field(repr=False)
    problems: tuple[Problem, ...] = ()


def parse(text: str) -> Parsed:
    """Parse a file. Lines that cannot be read, and names and values that no config var can have, become problems."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        return Parsed({}, (Problem(1, f"the text is over {MAX_BYTES // 1024} KiB."),))
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for found in _entries(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")):
        if isinstance(found, Problem):
            problems.append(found)
            continue
        line, key, value = found
        problem = _check(line, key, value)
        if problem is None:
            values[key] = value
        else:
            problems.append(problem)
    if len(problems) > MAX_PROBLEMS:
        problems[MAX_PROBLEMS:] = [Problem(problems[MAX_PROBLEMS].line, "this and further lines cannot be read either.")]
    return Parsed(values, tuple(problems))


def _entries(text: str) -> Iterator[Problem | tuple[int, str, str]]:
    at, line = 0, 1
    while at < len(text):
        end, found = _next(text, at, line)
        if found is not None:
            yield found
        line += text.count("\n", at, end)
        at = end


def _next(text: str, at: int, line: int) -> tuple[int, Problem | tuple[int, str, str] | None]:
    """Return where the next entry begins, and what was found at `at`; None for an empty line."""
    if empty := _EMPTY.match(text, at):
        return empty.end(), None
    start = _START.match(text, at)
    if start is None:
        return _line_end(text, at), Problem(line, "this is not KEY=value. A value of several lines needs quotes around it.")
    opening = (_SPACE.match(text, start.end()) or start).end()
    quote = text[opening : opening + 1]
    if quote not in _QUOTED:
        end = _line_end(text, start.end())
        return end, (line, start["key"], _COMMENT.split(text[start.end() : end], maxsplit=1)[0].strip())
    quoted = _QUOTED[quote].match(text, opening)
    if quoted is None:
        return _line_end(text, at), Problem(line, f"the quote {quote} has no end.")
    rest = _EMPTY.match(text, quoted.end())
    if rest is None:
        return _line_end(text, quoted.end()), Problem(line, f"there is text after the closing quote {quote}.")
    return rest.end(), (line, start["key"], _unescaped(quote, quoted["text"]))


def _line_end(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


def _unescaped(quote: str, text: str) -> str:
    if quote == "'":
        return re.sub(r"\\([\\'])", r"\1", text)
    if quote == '"':
        return _ESCAPE.sub(lambda found: _CONTROLS.get(found[1], found[1] if found[1] in '\\"$`' else found[0]), text)
    return text


def _check(line: int, key: str, value: str) -> Problem | None:
    try:
        check_key(key)
    except Invalid:
        if key in RESERVED_KEYS:
            return Problem(line, f"{key} is set by the platform for each dyno. Take this line out.")
        return Problem(line, f"the name before the = is not up to {MAX_KEY_LENGTH} capital letters, digits and underscores.")
    try:
        check_value(key, value)
    except Invalid as error:
        return Problem(line, str(error))
    return None
