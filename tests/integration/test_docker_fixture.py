"""The daemons that tests of the Swarm engine stand on."""

import subprocess

import aiohttp
import pytest
from docker.types import EndpointSpec

from tests.fixtures.docker import running_docker, swarm_of_the_module
from tests.support.small_image import small_image
from tests.support.until import until

__all__ = ["swarm_of_the_module"]


def states(docker):
    return {node.attrs["Description"]["Hostname"]: node.attrs["Status"]["State"] for node in docker.client.nodes.list()}


def traces(name):
    """Return what carries a bridge's name, apart from its processes."""
    rules = [line for table in ("filter", "nat") for line in output("iptables", "-t", table, "-S").splitlines()]
    lines = [*rules, *output("ip", "-o", "link").splitlines(), *output("cat", "/proc/mounts").splitlines()]
    return [line for line in lines if name in line]


def output(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_two_daemons_side_by_side_and_nothing_left_of_one_that_ends(swarm):
    with running_docker() as other:
        assert (states(swarm), states(other)) == ({"manager": "ready"}, {"manager": "ready"})
        assert swarm.client.swarm.id != other.client.swarm.id
        assert traces(other.bridge.name)
    assert traces(other.bridge.name) == []
    assert not other.bridge.base.exists()
    assert swarm.client.ping()


async def test_a_node_dies_and_comes_back(swarm):
    node = swarm.add_node("second")
    await until(lambda: states(swarm) == {"manager": "ready", "second": "ready"})
    node.kill()
    await until(lambda: states(swarm)["second"] == "down", within_s=90)
    node.start()
    await until(lambda: states(swarm)["second"] == "ready", within_s=90)


def test_a_daemon_that_cannot_start_fails_with_its_last_lines(swarm):
    node = swarm.bridge.node("broken")
    node.kill()
    (node.base / "data" / "image").rename(node.base / "data" / "images")
    (node.base / "data" / "image").touch()
    with pytest.raises(AssertionError, match="not a directory"):
        node.start()


async def test_the_host_reaches_what_a_service_publishes(swarm):
    command = ["python3", "-m", "http.server", "8000"]
    ports = EndpointSpec(mode="dnsrr", ports={80: (8000, "tcp", "host")})
    service = swarm.client.services.create(small_image(swarm.client), command, name="small", endpoint_spec=ports)
    async with aiohttp.ClientSession() as session:

        async def answers():
            try:
                async with session.get(f"http://{swarm.address}/") as response:
                    return "Directory listing" in await response.text()
            except aiohttp.ClientError:
                return False

        await until(answers)
    service.remove()
