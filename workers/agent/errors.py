"""Errors between the agent, the panel and Docker."""

import http.client
import logging
import os
import threading


class Refused(Exception):
    """The panel or Docker refused a request."""


class Gone(Refused):
    """Docker has no such object, or it has ended."""


class Rejected(Refused):
    """The panel will never accept what was sent."""


log = logging.getLogger("agent")

# Errors of an attempt that is worth a retry.
PASSING = (OSError, http.client.HTTPException, Refused, ValueError, KeyError)

_RETRY_S = (1.0, 2.0, 5.0, 10.0)


def pause_s(failures: int) -> float:
    """Return the backoff in seconds after so many failures in a row."""
    return _RETRY_S[min(failures, len(_RETRY_S)) - 1]


def end_with_any_loop() -> None:
    """End the whole process if any thread fails; its supervisor restarts it."""

    def end(failed: threading.ExceptHookArgs) -> None:
        log.critical("a loop has ended", exc_info=failed.exc_value)
        os._exit(1)

    threading.excepthook = end
