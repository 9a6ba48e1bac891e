"""What can go wrong between the agent and those it asks."""

import http.client
import logging
import os
import threading


class Refused(Exception):
    """The panel or Docker does not do what it was asked."""


class Gone(Refused):
    """There is no such thing at Docker, or it has ended."""


class Rejected(Refused):
    """The panel will never take what it was given."""


log = logging.getLogger("agent")

# What a try that is to be repeated may raise.
PASSING = (OSError, http.client.HTTPException, Refused, ValueError, KeyError)

_RETRY_S = (1.0, 2.0, 5.0, 10.0)


def pause_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row."""
    return _RETRY_S[min(failures, len(_RETRY_S)) - 1]


def end_with_any_loop() -> None:
    """Have a loop that fails end the whole process, which is started again."""

    def end(failed: threading.ExceptHookArgs) -> None:
        log.critical("a loop has ended", exc_info=failed.exc_value)
        os._exit(1)

    threading.excepthook = end
