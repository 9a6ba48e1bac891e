"""Becomes a dyno's command, in the environment that the panel wrote: `enter.py SOURCE COMMAND...`.

Runs in the container, on the standard library of the stack's Python. The environment comes in a file or
on standard input, so that no argument list and no service tells it.
"""

import json
import os
import signal
import sys
from pathlib import Path

HEALTH = Path("/dev/shm/skypanel.health")  # noqa: S108 - the container's own
# What differs between the dynos of one service.
OWN = ("DYNO", "PS")


def main(source: str, argv: list[str]) -> None:
    """Replace this process by the command."""
    told = json.loads(sys.stdin.read() if source == "-" else Path(source).read_text())
    HEALTH.write_text("{path} {interval_s}\n".format_map(told["health"]))
    # A shell without job control has what it runs in the background ignore these.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    if source == "-":
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    environment = {**told["environment"], **{name: os.environ[name] for name in OWN}}
    os.execvpe(argv[0], argv, environment)  # noqa: S606 - it is what this program is for


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
