"""What can go wrong between the agent and those it asks."""

import http.client


class Refused(Exception):
    """The panel or Docker does not do what it was asked."""


class Rejected(Refused):
    """The panel will never take what it was given."""


# What a try that is to be repeated may raise.
PASSING = (OSError, http.client.HTTPException, Refused, ValueError, KeyError)

_RETRY_S = (1.0, 2.0, 5.0, 10.0)


def pause_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row."""
    return _RETRY_S[min(failures, len(_RETRY_S)) - 1]
