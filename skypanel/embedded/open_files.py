"""How many files the proxy may have open: it takes one for a visitor's connection, and one for the dyno's that answers."""

import contextlib
import resource

CONNECTIONS = 200_000
# For what else it has open: requests to the panel for routes, those that ask for its health, idle connections to dynos.
_RESERVED = 1000
WANTED = 2 * CONNECTIONS + _RESERVED


def connections(files: int) -> int:
    """Return how many visitors' connections a proxy can hold that may have so many files open."""
    return max(1, (files - min(_RESERVED, files // 10)) // 2)


def raise_limit() -> int:
    """Let what this process starts open as many files as are wanted, if it may, and return how many that are.

    The soft limit stays: Traefik, as all programs in Go, takes the hard one by itself.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return WANTED
    # Only root with CAP_SYS_RESOURCE may raise it.
    with contextlib.suppress(ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(hard, WANTED)))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
