"""Finds the line of a failed deploy's output that matters: the first error, rather than the last summary."""

import re
from collections.abc import Iterable

_ESCAPES = re.compile(r"\x1b\[[0-9;:]*m")
_ERRORS = (
    r"(?:^|[\s\[(>])(?:error|fatal|panic)(?:\[\w+\]| \w+\d+)?:",
    r"^npm (?:err!|error)\s",
    r"^\s*[\w.]*(?:error|exception)(?::|$)",
    r"^\s*killed$",
)
_ERROR = re.compile("|".join(_ERRORS), re.IGNORECASE)
# In front of errors of our own and of buildpacks. The first is often about an error above it, so it counts least.
_FAILURE = " !  "


def first_error(lines: Iterable[str]) -> int | None:
    """Return the index of the first line that names an error; else that of the first line that says what failed; else None."""
    failure = None
    for index, line in enumerate(lines):
        if _ERROR.search(_ESCAPES.sub("", line)):
            return index
        if failure is None and line.startswith(_FAILURE):
            failure = index
    return failure
