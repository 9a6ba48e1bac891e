"""The Procfile: process types and their commands."""

import re
from collections.abc import Mapping

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

MAX_PROCESS_TYPES = 100
MAX_COMMAND_LENGTH = 8192

_LINE = re.compile(r"(?P<type>[A-Za-z0-9_-]+)\s*:\s*(?P<command>\S.*)")
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}")


def parse(text: str) -> dict[str, str]:
    """Return process type -> command, in the file's order.

    Ignores blank lines and lines that begin with #. Raises Invalid, which names the line.
    """
    commands: dict[str, str] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise Invalid(
                f"Line {number} of the Procfile is not a process type and its command: {printable(line)}",
                "Write it like this: web: python app.py",
            )
        process_type = match["type"]
        if process_type in commands:
            raise Invalid(f"Line {number} of the Procfile defines {process_type} a second time.", "Keep one of the two.")
        commands[process_type] = match["command"]
    return checked(commands)


def checked(commands: Mapping[str, str]) -> dict[str, str]:
    """Return the process types, from whatever source, if all are within the limits. Raises Invalid."""
    if len(commands) > MAX_PROCESS_TYPES:
        raise Invalid(f"There are {len(commands)} process types.", f"Keep at most {MAX_PROCESS_TYPES}.")
    for process_type, command in commands.items():
        if not _TYPE.fullmatch(process_type):
            raise Invalid(
                f"{printable(process_type)} is not a valid process type.", "Use up to 30 letters, digits, dashes and underscores."
            )
        if not command or len(command) > MAX_COMMAND_LENGTH or "\0" in command:
            raise Invalid(f"The command of {process_type} is empty or over {MAX_COMMAND_LENGTH} characters.", "Put it into a script.")
    return dict(commands)
