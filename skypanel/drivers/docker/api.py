"""Docker's API through its SDK: blocking calls run in threads, errors are translated.

The API is https://docs.docker.com/reference/api/engine/version/v1.41/.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from docker import APIClient
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from skypanel.domain.errors import Conflict, NotFound, Unavailable

T = TypeVar("T")
Json = dict[str, Any]

ANSWER_S = 120
# The label with the id of the panel that owns an object.
PANEL = "skypanel.panel"
# The first version of the API in which a service can set no-new-privileges.
_NO_NEW_PRIVILEGES = (1, 44)
# The first version of the API in which a service can set a seccomp filter.
_FILTERS = (1, 46)


class DockerApi:
    """A daemon at a URL such as unix:///var/run/docker.sock. The first call connects to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._client: APIClient | None = None

    async def call(self, act: Callable[[APIClient], T]) -> T:
        """Run `act` in a thread and return its result. Raises NotFound, Conflict or Unavailable."""
        return await asyncio.to_thread(self.call_here, act)

    def call_here(self, act: Callable[[APIClient], T]) -> T:
        """Run `act` in this thread, which may block for long, and return its result. Raises NotFound, Conflict or Unavailable."""
        with translated():
            return act(self._connected())

    async def forbids_privileges(self) -> bool:
        """Whether services can set no-new-privileges. Raises Unavailable."""
        return await self._version() >= _NO_NEW_PRIVILEGES

    async def filters_calls(self) -> bool:
        """Whether services can set a seccomp filter. Raises Unavailable."""
        return await self._version() >= _FILTERS

    async def _version(self) -> tuple[int, ...]:
        version: str = await self.call(lambda client: client.api_version)
        return tuple(map(int, version.split(".")))

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await asyncio.to_thread(self._client.close)

    def _connected(self) -> APIClient:
        with self._lock:
            if self._client is None:
                self._client = APIClient(base_url=self.url, version="auto", timeout=ANSWER_S)
            return self._client


@contextmanager
def translated() -> Iterator[None]:
    """Translate the SDK's errors in the block into NotFound, Conflict or Unavailable."""
    try:
        yield
    except APIError as error:
        raise _error(error) from error
    except (DockerException, RequestException, OSError) as error:
        raise Unavailable(
            "Docker does not answer.", "Check that its daemon is running (`systemctl status docker`), then try again."
        ) from error


def _error(error: APIError) -> NotFound | Conflict | Unavailable:
    message = str(error.explanation or error).strip().rstrip(".")
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound(f"Docker says: {message}.")
    if error.status_code == HTTPStatus.CONFLICT or "out of sequence" in message or "is in use by" in message:
        return Conflict(f"Docker says: {message}.")
    if "not a swarm manager" in message:
        return Unavailable("Docker is running, but is not a manager of a Swarm.", "Run `docker swarm init`, then try again.")
    return Unavailable(f"Docker says: {message}.", "Fix the problem on that machine, then try again.")


def labelled(labels: Mapping[str, str]) -> Json:
    """Return a filter for objects that have all these labels."""
    return {"label": [f"{name}={value}" for name, value in labels.items()]}
