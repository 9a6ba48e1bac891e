"""The Swarm's members by real daemons."""

import socket

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.node import Availability
from skypanel.drivers.swarm.nodes import SwarmNodes
from tests.contracts.swarm import SwarmContract
from tests.fixtures.docker import swarm_of_the_module
from tests.support.until import until

__all__ = ["swarm_of_the_module"]

TINY = b"\0" * 1024  # an empty tar


@pytest.fixture(scope="module")
def node(swarm):
    return swarm.add_node("worker")


class TestSwarmNodes(SwarmContract):
    @pytest.fixture
    def members(self, swarm):
        return SwarmNodes(swarm.url, ["small"])

    @pytest.fixture
    async def worker(self, node, members):
        member_id = node.client.info()["Swarm"]["NodeID"]
        await until(lambda: self._is_ready(members, member_id))
        return member_id

    async def _is_ready(self, members, member_id):
        member = await self.member(members, member_id)
        return member is not None and member.is_ready

    @pytest.fixture
    def image(self, swarm):
        swarm.client.api.import_image_from_data(TINY, repository="skypanel-test", tag="tiny")
        return "skypanel-test:tiny"

    @pytest.fixture
    def nowhere(self, swarm):
        return SwarmNodes(swarm.bridge.node("alone").url, ["small"])


async def test_a_daemon_that_is_away_is_unavailable(tmp_path):
    for url in (f"unix://{tmp_path}/none.sock", f"unix://{tmp_path}/silent.sock"):
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(tmp_path / "silent.sock")) if "silent" in url else None
            with pytest.raises(Unavailable, match="Docker daemon does not answer"):
                await SwarmNodes(url, ["small"]).set_availability("m1", Availability.DRAIN)
