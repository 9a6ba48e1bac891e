"""The panel's own programs, as processes that are forked off supervisord: what comes there in the place of an exec."""

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
    """Import all that these programs need, so that processes which are forked from now on share it."""
    for argv in argvs:
        import_module(OWN[argv[2]])
    from skypanel import bootstrap

    bootstrap.preload(sources.load(os.environ))
    # The collector is to keep its hands off what is there before the fork, so that its pages stay shared.
    gc.collect()
    gc.freeze()


def run(parent: int, argv: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Be one of the panel's own programs from here on, and end as it ends."""
    status = 1
    try:
        _settle(parent, environ)
        sys.argv = [*argv[2:]]
        import_module(OWN[argv[2]]).main()
        status = 0
    except SystemExit as asked:
        status = _status(asked)
    except BaseException:  # noqa: BLE001 - this is the edge of the process
        traceback.print_exc()
    finally:
        _end(status)


def _settle(parent: int, environ: Mapping[str, str]) -> None:
    """Make a process of its own of what was a copy of supervisord."""
    for number in HEARD_BY_SUPERVISORD:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What supervisord has open is closed: none of its objects may be collected here, and close another's descriptor by it.
    gc.freeze()
    end_with(parent, signal.SIGTERM)
    name = environ["SUPERVISOR_PROCESS_NAME"]
    # It finds its place by the environment that is there.
    setproctitle(f"skypanel: {name}")
    if name not in LISTEN_TO_ALL:
        drop_capabilities()
    os.environ.clear()
    os.environ.update(environ)


def _status(asked: SystemExit) -> int:
    if isinstance(asked.code, str):
        sys.stderr.write(f"{asked.code}\n")
    return asked.code if isinstance(asked.code, int) else int(asked.code is not None)


def _end(status: int) -> NoReturn:
    """End as the interpreter does; it would go back to supervisord first."""
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no other way to have them run
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
