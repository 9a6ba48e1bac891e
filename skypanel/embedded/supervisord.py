"""supervisord, off which the panel's own programs are forked: `python -m skypanel.embedded.supervisord -c <file>`.

Before it forks the first it imports what all of them need: that is in memory once, and one that ended is there again at
once. They are programs like any other to supervisord, each with its log, its stop and its restart.
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

# Of a process' name: setproctitle is not to write over its environment, which is read by others, nor Celery over its name.
VARIABLES = {"SPT_NOENV": "1", "NOSETPS": "1"}


class Options(ServerOptions):  # type: ignore[misc] # supervisor has no types
    """What supervisord asks of the operating system, and how it is answered here."""

    _is_loaded = False

    def check_execv_args(self, filename: str, argv: Sequence[str], found: os.stat_result | None) -> None:
        """Be told, before the fork, what is to be started."""
        super().check_execv_args(filename, argv, found)
        if is_own(argv) and not self._is_loaded:
            self._is_loaded = True
            self._preload()

    def execve(self, filename: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Become a program, after the fork; the panel's own are here already."""
        if is_own(argv):
            forked.run(self._pid, argv, environ)
        super().execve(filename, argv, environ)

    def fork(self) -> int:
        """Remember whose child it is to be, too."""
        self._pid = os.getpid()
        return int(super().fork())

    def _preload(self) -> None:
        self.logger.info("importing what the panel's own programs need")
        try:
            forked.preload(filter(is_own, self._argvs()))
        except Exception:  # noqa: BLE001 - those that lack something fail each for itself, and say so in their own logs
            self.logger.critical(traceback.format_exc())

    def _argvs(self) -> list[list[str]]:
        return [shlex.split(program.command) for group in self.process_group_configs for program in group.process_configs]


def main() -> None:
    """Run supervisord until it is told to stop."""
    os.environ.update(VARIABLES)
    options = Options()
    options.realize(sys.argv[1:], doc=supervisord.__doc__)
    options.first, options.test = True, False
    supervisord.go(options)


if __name__ == "__main__":
    main()
