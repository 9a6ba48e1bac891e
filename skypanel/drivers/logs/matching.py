"""Decides which lines a query wants. Users write words and patterns, so RE2 matches them: in linear time, with bounded memory."""

import re

import re2

from skypanel.domain.errors import Invalid
from skypanel.domain.log import LogLine, LogQuery

MAX_PATTERN = 500
MAX_MEMORY_BYTES = 1024 * 1024

# These look at the beginning or the end of a line. In a block of lines, they may not match where they do in the line alone.
_ANCHOR = re.compile(r"[\^$]|\\[AzbB]")


class Matches:
    """Whether a query wants a line. Raises Invalid for a bad pattern."""

    def __init__(self, query: LogQuery) -> None:
        if len(query.pattern) > MAX_PATTERN:
            raise Invalid("The regular expression is too long.", f"Write at most {MAX_PATTERN} characters.")
        self._admits = query.admits
        words = [_compiled(f"(?i){re2.escape(word)}") for word in query.words]
        patterns = [_compiled(query.pattern)] if query.pattern else []
        self._searches = [each.search for each in (*words, *patterns)]
        self._in_blocks = [each.search for each in (*words, *(each for each in patterns if not _ANCHOR.search(query.pattern)))]

    def __call__(self, line: LogLine) -> bool:
        """Whether a line is wanted."""
        return self._admits(line) and all(search(line.text) is not None for search in self._searches)

    def may_be_in(self, block: bytes) -> bool:
        """Whether a line of a block of whole lines can be wanted. It takes a fraction of the time that the lines take."""
        return all(search(block) is not None for search in self._in_blocks)


def matcher(query: LogQuery) -> Matches:
    """Return whether the query wants a line. Raises Invalid for a bad pattern."""
    return Matches(query)


def _compiled(pattern: str) -> "re2._Regexp":
    options = re2.Options()
    options.max_mem = MAX_MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise Invalid(f"This is not a regular expression: {pattern}", "Write it in the syntax of RE2.") from error
