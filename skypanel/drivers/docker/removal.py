"""Removes containers, with retries if Docker is busy."""

from functools import partial

from docker import APIClient
from docker.errors import APIError

from skypanel.retry import Backoff

PATIENCE_S = 60.0
BACKOFF = Backoff(first_s=0.2, longest_s=2.0)
# Docker waits ten seconds for a killed process. On a busy machine, or with much memory to free, the process takes longer.
_BUSY = ("Could not kill running container", "tried to kill container, but did not receive an exit event")


def remove(client: APIClient, container: str, patience_s: float = PATIENCE_S) -> None:
    """Remove a container with its processes and unnamed volumes. Retries for `patience_s` if Docker is busy. Raises APIError."""
    BACKOFF.retry_blocking(partial(client.remove_container, container, force=True, v=True), APIError, _is_busy, patience_s)


def _is_busy(error: Exception) -> bool:
    return isinstance(error, APIError) and any(words.lower() in str(error.explanation).lower() for words in _BUSY)
