"""Builders at the tests' daemon, and what to look at around them."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import buildpacks
from skypanel.domain.stack import Image
from skypanel.drivers.docker.builder import ContainerBuilder, Site
from skypanel.drivers.docker.spec import WORKSPACE
from tests.stack_images import stack_image

BUILDPACKS = Path(buildpacks.__file__).parent
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
LISTEN_S = 20


@pytest.fixture(scope="module")
def build_image(swarm):
    return stack_image(swarm.url, Image.BUILD)


@pytest.fixture
def site(build_image):
    return Site(build_image, BUILDPACKS, CA_BUNDLE)


@pytest.fixture
async def builder(swarm, site):
    made = ContainerBuilder(swarm.url, site)
    yield made
    await made.close()


def holdings(client):
    """Return what workspaces left at a daemon: containers and volumes, by name."""
    filters = {"label": WORKSPACE}
    containers = [each["Names"] for each in client.api.containers(all=True, filters=filters)]
    return containers, [each["Name"] for each in client.api.volumes(filters=filters)["Volumes"] or []]


@contextmanager
def listening(node, address: str = "0.0.0.0") -> Iterator[int]:
    """Have somebody who answers at a port of a node's own network, as a panel on that machine does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            "nsenter",
            f"--net=/proc/{node.pid}/ns/net",
            "python3",
            "-m",
            "http.server",
            str(port),
            "--bind",
            address,
            "--directory",
            "/proc/self/fdinfo",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + LISTEN_S
        while not _answers(node.address, port):
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.02)
        yield port
    finally:
        server.kill()
        server.wait()


def _answers(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False
