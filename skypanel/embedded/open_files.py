"""The proxy's limit of open files. Each connection takes two: one to the client, one to the dyno."""

import contextlib
import resource

CONNECTIONS = 200_000
# For everything else: polls for routes, health checks, idle connections to dynos.
_RESERVED = 1000
WANTED = 2 * CONNECTIONS + _RESERVED


def connections(files: int) -> int:
    """Return how many client connections a proxy with this limit of open files can hold."""
    return max(1, (files - min(_RESERVED, files // 10)) // 2)


def raise_limit() -> int:
    """Raise the hard limit of open files to WANTED for this process and its children, if allowed, and return it.

    The soft limit stays: Traefik, like all Go programs, raises its own to the hard limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return WANTED
    # Only root with CAP_SYS_RESOURCE may raise the hard limit.
    with contextlib.suppress(ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(hard, WANTED)))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
