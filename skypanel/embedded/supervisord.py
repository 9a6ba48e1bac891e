"""supervisord, changed to fork the panel's own programs: `python -m skypanel.embedded.supervisord -c <file>`.

Before its first fork it imports what all of them need. Processes share that memory, and restart fast. supervisord treats them like any
other program, with a log, a stop signal and restarts.
"""

import os
import shlex
import sys
import traceback
from collections.abc import Mapping, Sequence

from supervisor import supervisord
from supervisor.options import ServerOptions

from skypanel.embedded import forked
from skypanel.embedded.processes import is_own

# setproctitle must not overwrite the environment in memory, which others read. Celery must not change the name.
VARIABLES = {"SPT_NOENV": "1", "NOSETPS": "1"}


class Options(ServerOptions):  # type: ignore[misc] # supervisor has no types
    """supervisord's interface to the operating system, with the changes for forked programs."""

    _is_loaded = False

    def check_execv_args(self, filename: str, argv: Sequence[str], found: os.stat_result | None) -> None:
        """Import the panel's modules before the first fork of an own program."""
        super().check_execv_args(filename, argv, found)
        if is_own(argv) and not self._is_loaded:
            self._is_loaded = True
            self._preload()

    def execve(self, filename: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Run a program in the forked child: an own one by calling its `main`, any other by exec."""
        if is_own(argv):
            forked.run(self._pid, argv, environ)
        super().execve(filename, argv, environ)

    def fork(self) -> int:
        """Fork, and remember the parent's process id for the child."""
        self._pid = os.getpid()
        return int(super().fork())

    def _preload(self) -> None:
        self.logger.info("importing what the panel's own programs need")
        try:
            forked.preload(filter(is_own, self._argvs()))
        except Exception:  # noqa: BLE001 - each program then fails by itself, with the reason in its own log
            self.logger.critical(traceback.format_exc())

    def _argvs(self) -> list[list[str]]:
        return [shlex.split(program.command) for group in self.process_group_configs for program in group.process_configs]


def main() -> None:
    """Run supervisord until a signal stops it."""
    os.environ.update(VARIABLES)
    options = Options()
    options.realize(sys.argv[1:], doc=supervisord.__doc__)
    options.first, options.test = True, False
    supervisord.go(options)


if __name__ == "__main__":
    main()
