"""The drivers of a Swarm, on a real one of two nodes with an ingress."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.docker.images import SlugImages
from skypanel.drivers.swarm.ingress import Ingress, IngressOptions
from skypanel.drivers.swarm.router import SwarmRouter
from skypanel.drivers.swarm.scheduler import SwarmOptions, SwarmScheduler
from tests.docker_fixture import Docker, Node, running_docker
from tests.fakes import FakeObjects
from tests.small_image import NAME, small_image

STOP_GRACE_S = 3.0
BOOT_S = 8.0
TOKEN = "a-token"
HTTP_PORT, HTTPS_PORT, API_PORT = 80, 443, 8082


@dataclass(frozen=True)
class TwoNodes:
    """A Swarm's manager and a second node, both with the stack's image."""

    docker: Docker
    second: Node

    @property
    def nodes(self) -> tuple[Node, Node]:
        return self.docker.manager, self.second


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    with running_docker() as docker:
        second = docker.add_node("second")
        name = small_image(docker.client)
        # With the same id, as what is loaded onto a node has.
        second.client.images.load(docker.client.images.get(name).save(named=True))
        yield TwoNodes(docker, second)


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    """One for each module; tests use apps of their own in it."""
    with two_nodes() as made:
        yield made


@pytest.fixture
def objects() -> FakeObjects:
    return FakeObjects()


@pytest.fixture
async def engine(nodes, objects, tmp_path):
    """The drivers of a panel of the test's own."""
    async with running_engine(nodes, objects, tmp_path) as made:
        yield made


class Engine:
    """A panel's drivers at a Swarm."""

    def __init__(self, nodes: TwoNodes, objects, scratch: Path, apis, *, panel: str | None = None) -> None:
        self.nodes = nodes
        self.panel = panel or uuid4().hex[:8]
        self.api, second = apis
        self.images = SlugImages(self.api, objects, NAME, scratch / "manager")
        self.second_images = SlugImages(second, objects, NAME, scratch / "second")
        options = IngressOptions(
            panel=self.panel, http_port=HTTP_PORT, https_port=HTTPS_PORT, api_port=API_PORT, token=TOKEN,
            api_bind="0.0.0.0", socket=str(nodes.docker.socket),
        )  # fmt: skip
        self.ingress = Ingress(self.api, options)
        self.router = SwarmRouter(self.api, self.panel, [self.api_url], TOKEN)
        self.scheduler = SwarmScheduler(
            self.api,
            self.panel,
            self.images,
            SwarmOptions("dnsrr", STOP_GRACE_S, BOOT_S),
            stage_elsewhere=self.stage_elsewhere,
            stop_elsewhere=self.stop_elsewhere,
            join=self.ingress.join,
        )

    @property
    def api_url(self) -> str:
        return f"http://{self.nodes.docker.address}:{API_PORT}"

    async def stage_elsewhere(self, app, digest) -> None:
        await self.second_images.stage(app.id, digest)

    async def stop_elsewhere(self, node_id, container_id) -> None:
        assert node_id == self.nodes.second.client.info()["Swarm"]["NodeID"]
        self.nodes.second.client.api.kill(container_id, "TERM")

    async def get(self, host: str, path: str = "/") -> tuple[int, str]:
        """Ask the ingress for a page."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session,
            session.get(f"http://{self.nodes.docker.address}{path}", headers={"Host": host}) as response,
        ):
            return response.status, await response.text()

    def container(self, task):
        """Return the node and the container of a task that runs, as Docker lists it."""
        node = next(node for node in self.nodes.nodes if node.client.info()["Swarm"]["NodeID"] == task["NodeID"])
        return node, node.client.containers.get(task["Status"]["ContainerStatus"]["ContainerID"])


@asynccontextmanager
async def running_engine(nodes: TwoNodes, objects, scratch: Path, **options):
    """Yield a panel's drivers; what is left of the panel is removed at the end."""
    async with AsyncExitStack() as stack:
        apis = [DockerApi(node.url) for node in nodes.nodes]
        for api in apis:
            stack.push_async_callback(api.close)
        engine = Engine(nodes, objects, scratch, apis, **options)
        try:
            yield engine
        finally:
            await engine.ingress.remove()
            apps = {dyno.key.app_id for dyno in await engine.scheduler.dynos()}
            await asyncio.gather(*map(engine.scheduler.remove, apps))
