"""Decides which lines a query wants. Users write the patterns, so RE2 matches them: in linear time, with bounded memory."""

from collections.abc import Callable
from typing import TypeAlias

import re2

from skypanel.domain.errors import Invalid
from skypanel.domain.log import LogLine, LogQuery

MAX_PATTERN = 500
MAX_MEMORY_BYTES = 1024 * 1024

Matches: TypeAlias = Callable[[LogLine], bool]


def matcher(query: LogQuery) -> Matches:
    """Return whether the query wants a line. Raises Invalid for a bad pattern."""
    if not query.pattern:
        return query.admits
    search = _compiled(query.pattern).search
    return lambda line: query.admits(line) and search(line.text) is not None


def _compiled(pattern: str) -> "re2._Regexp":
    if len(pattern) > MAX_PATTERN:
        raise Invalid("The regular expression is too long.", f"Write at most {MAX_PATTERN} characters.")
    options = re2.Options()
    options.max_mem = MAX_MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise Invalid(f"This is not a regular expression: {pattern}", "Write it in the syntax of RE2.") from error
