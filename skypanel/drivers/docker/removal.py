"""Removes containers, with retries if Docker is busy."""

import time

from docker import APIClient
from docker.errors import APIError

PATIENCE_S = 60.0
PAUSE_S = 0.2
# Docker waits ten seconds for a killed process. On a busy machine, or with much memory to free, the process takes longer.
_BUSY = ("Could not kill running container", "tried to kill container, but did not receive an exit event")


def remove(client: APIClient, container: str, patience_s: float = PATIENCE_S) -> None:
    """Remove a container with its processes and unnamed volumes. Retries for `patience_s` if Docker is busy. Raises APIError."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            client.remove_container(container, force=True, v=True)
        except APIError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_S)
        else:
            return


def _is_busy(error: APIError) -> bool:
    return any(words.lower() in str(error.explanation).lower() for words in _BUSY)
