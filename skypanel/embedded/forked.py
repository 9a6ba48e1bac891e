"""The panel's own programs, run in processes that supervisord forks, instead of by exec."""

import atexit
import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from setproctitle import setproctitle

from skypanel.embedded.kernel import drop_capabilities, end_with
from skypanel.embedded.processes import LISTEN_TO_ALL, OWN
from skypanel.settings import sources

HEARD_BY_SUPERVISORD = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)


def preload(argvs: Iterable[Sequence[str]]) -> None:
    """Import all modules of these programs, so that processes forked afterwards share their memory."""
    # Modules are no garbage. One collection at the end finds the little that is.
    gc.disable()
    for argv in argvs:
        import_module(OWN[argv[2]])
    from skypanel import bootstrap

    bootstrap.preload(sources.load(os.environ))
    # The garbage collector must not write to objects from before the fork, so that their pages stay shared (copy-on-write).
    gc.collect()
    gc.freeze()
    gc.enable()


def run(parent: int, argv: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Run one of the panel's own programs in this process, and exit with its status."""
    status = 1
    try:
        _settle(parent, environ)
        sys.argv = [*argv[2:]]
        import_module(OWN[argv[2]]).main()
        status = 0
    except SystemExit as asked:
        status = _status(asked)
    except BaseException:  # noqa: BLE001 - a process edge
        traceback.print_exc()
    finally:
        _end(status)


def _settle(parent: int, environ: Mapping[str, str]) -> None:
    """Turn a forked copy of supervisord into an independent process."""
    for number in HEARD_BY_SUPERVISORD:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # supervisord's file descriptors are closed here. If its objects were collected, they could close descriptors that were reused.
    gc.freeze()
    end_with(parent, signal.SIGTERM)
    name = environ["SUPERVISOR_PROCESS_NAME"]
    # setproctitle locates the memory for the title through the original environment, so this precedes the change below.
    setproctitle(f"skypanel: {name}")
    if name not in LISTEN_TO_ALL:
        drop_capabilities()
    os.environ.clear()
    os.environ.update(environ)


def _status(exit_: SystemExit) -> int:
    if isinstance(exit_.code, str):
        sys.stderr.write(f"{exit_.code}\n")
    return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)


def _end(status: int) -> NoReturn:
    """Exit as the interpreter does. A return would continue in supervisord's code."""
    atexit._run_exitfuncs()  # noqa: SLF001 - no public function runs them
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
