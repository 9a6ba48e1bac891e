"""Becomes a dyno's command, in the environment that the panel wrote: `enter.py SOURCE COMMAND...`.

Runs in the container with the stack's Python and its standard library. The environment comes in a file or
on standard input, so that no argument list and no service spec reveals it.
"""

import json
import os
import signal
import sys
import termios
import tty
from pathlib import Path

HEALTH = Path("/dev/shm/skypanel.health")  # noqa: S108 - the container's own
# Sources on standard input: with the first, the command reads the rest of it; with the second, it gets /dev/null.
STDIN, STDIN_ONLY = "-", "-only"
# Variables that differ between the dynos of one service.
OWN = ("DYNO", "PS")
# Written once when the terminal no longer echoes, and once when its settings are restored.
SILENT = b"\x06"


def main(source: str, argv: list[str]) -> None:
    """Replace this process by the command."""
    settings = json.loads(_from_stdin() if source in (STDIN, STDIN_ONLY) else Path(source).read_text())
    if source == STDIN_ONLY:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    HEALTH.write_text("{path} {interval_s}\n".format_map(settings["health"]))
    # A shell without job control ignores some signals in background commands, and Python ignores others.
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    environment = {**settings["environment"], **{name: os.environ[name] for name in OWN}}
    os.execvpe(argv[0], argv, environment)  # noqa: S606 - it replaces this process


def _from_stdin() -> bytes:
    """Return the first part of standard input: a line with a length, then so many bytes. The command reads the rest."""
    if not os.isatty(0):
        return _body()
    before = termios.tcgetattr(0)
    tty.setraw(0)
    os.write(1, SILENT)
    body = _body()
    termios.tcsetattr(0, termios.TCSADRAIN, before)
    os.write(1, SILENT)
    return body


def _body() -> bytes:
    length = b""
    while not length.endswith(b"\n"):
        length += _read(1)
    left = int(length)
    body = b""
    while left > len(body):
        body += _read(left - len(body))
    return body


def _read(size: int) -> bytes:
    chunk = os.read(0, size)
    if not chunk:
        sys.exit("The panel hung up.")
    return chunk


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
