"""Removes containers that Docker does not get rid of at once."""

import time

from docker import APIClient
from docker.errors import APIError

PATIENCE_S = 60.0
PAUSE_S = 0.2
# Docker gives a killed process ten seconds to be gone; on a busy machine, or with much memory to give back, it takes longer.
_BUSY = ("Could not kill running container", "tried to kill container, but did not receive an exit event")


def remove(client: APIClient, container: str, patience_s: float = PATIENCE_S) -> None:
    """Remove a container with all its processes and its unnamed volumes, trying again for a while. Raises APIError."""
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
