"""The Swarm port, by the API of the manager's Docker daemon (https://docs.docker.com/reference/api/engine/)."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from docker import APIClient
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from skypanel.domain.errors import NotFound, SkyPanelError, Unavailable
from skypanel.domain.node import Availability, JoinOffer, SwarmMember

ANSWER_S = 30.0
CHUNK_BYTES = 1024 * 1024
# Tasks in these states have ended (https://docs.docker.com/engine/swarm/how-swarm-mode-works/swarm-task-states/).
OVER = frozenset({"complete", "failed", "shutdown", "rejected", "orphaned", "remove"})
MISSING = 404

T = TypeVar("T")


class SwarmNodes:
    """Members of the Swarm whose manager is the daemon at `url`, a Unix socket. Each call connects anew."""

    def __init__(self, url: str, stack_images: Sequence[str]) -> None:
        self._url = url
        self._stack_images = tuple(stack_images)

    @property
    def stack_images(self) -> Sequence[str]:
        """The names of the images that every node needs. Dynos start from the first one."""
        return self._stack_images

    async def members(self) -> Sequence[SwarmMember]:
        """Return the Swarm's members. Raises Unavailable if there is no Swarm."""
        return await self._ask(_members)

    async def set_availability(self, member_id: str, availability: Availability) -> None:
        """Allow tasks on a member, or move its tasks to other members. Raises NotFound."""

        def change(client: APIClient) -> None:
            node = client.inspect_node(member_id)
            spec = node["Spec"]
            if spec.get("Availability") != availability:
                client.update_node(member_id, node["Version"]["Index"], {**spec, "Availability": availability.value})

        await self._ask(change)

    async def remove(self, member_id: str) -> None:
        """Remove a member, even if it has not left. A missing member is no error."""

        def remove(client: APIClient) -> None:
            try:
                client.remove_node(member_id, force=True)
            except APIError as error:
                if error.status_code != MISSING:
                    raise

        await self._ask(remove)

    async def join_offer(self) -> JoinOffer:
        """Return the manager's address and the token that a machine needs to join. Raises Unavailable."""

        def ask(client: APIClient) -> JoinOffer:
            token = client.inspect_swarm()["JoinTokens"]["Worker"]
            managers = client.info()["Swarm"]["RemoteManagers"]
            return JoinOffer(managers[0]["Addr"], token)

        return await self._ask(ask)

    async def image_id(self, name: str) -> str:
        """Return the id (sha256:...) of an image at the manager. Raises NotFound."""
        return await self._ask(lambda client: str(client.inspect_image(name)["Id"]))

    async def save_image(self, name: str) -> AsyncIterator[bytes]:
        """Yield an image of the manager in the format of `docker load`. Raises NotFound."""
        await self.image_id(name)
        client = await asyncio.to_thread(self._open)
        try:
            # By name, so that the archive contains the name too.
            chunks = iter(await asyncio.to_thread(_translated, lambda: client.get_image(name, CHUNK_BYTES)))
            while chunk := await asyncio.to_thread(_translated, lambda: next(chunks, b"")):
                yield chunk
        finally:
            await asyncio.to_thread(client.close)

    async def _ask(self, question: Callable[[APIClient], T]) -> T:
        return await asyncio.to_thread(self._asked, question)

    def _asked(self, question: Callable[[APIClient], T]) -> T:
        client = self._open()
        try:
            return _translated(lambda: question(client))
        finally:
            client.close()

    def _open(self) -> APIClient:
        with _errors():
            # The SDK would leak a socket if nothing listens.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self._url.removeprefix("unix://"))
            return APIClient(self._url, timeout=ANSWER_S, version="1.41")


def _translated(act: Callable[[], T]) -> T:
    with _errors():
        return act()


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        raise _error(error) from error
    except (DockerException, RequestException, OSError) as error:
        raise Unavailable("The Docker daemon does not answer.", "Start it, and check that the panel's user may use its socket.") from error


def _error(error: APIError) -> SkyPanelError:
    message = str(error.explanation or error)
    if error.status_code == MISSING:
        return NotFound(f"Docker did not find it: {message}.")
    if "not a swarm manager" in message:
        return Unavailable("This machine's Docker is not a manager of a Swarm.", "Run `docker swarm init`.")
    return Unavailable(f"Docker refused: {message}", "Check its log, then try again.")


def _members(client: APIClient) -> Sequence[SwarmMember]:
    tasks = Counter(task.get("NodeID") for task in client.tasks() if task["Status"]["State"] not in OVER)
    return [_member(node, tasks[node["ID"]]) for node in client.nodes()]


def _member(node: Mapping[str, Any], tasks: int) -> SwarmMember:
    return SwarmMember(
        id=node["ID"],
        name=node["Description"]["Hostname"],
        address=node["Status"].get("Addr", ""),
        is_ready=node["Status"]["State"] == "ready",
        availability=Availability.ACTIVE if node["Spec"].get("Availability", "active") == "active" else Availability.DRAIN,
        tasks=tasks,
    )
