"""What workers that were killed and apps that are gone leave at the manager's daemon, and when it goes."""

import asyncio
import time
from uuid import UUID, uuid4

import pytest

from skypanel.drivers.docker.api import PANEL, DockerApi
from skypanel.drivers.docker.images import SlugImages
from skypanel.drivers.docker.spec import CACHE, cache_name
from skypanel.drivers.swarm.guard import SwarmGuard
from skypanel.drivers.swarm.run import INDEX, UNTIL
from skypanel.drivers.swarm.scheduler import SwarmScheduler
from skypanel.drivers.swarm.services import Services
from skypanel.drivers.swarm.spec import ORGANIZATION, release_labels
from skypanel.drivers.swarm.upkeep import SwarmUpkeep
from tests.contracts.upkeep import UpkeepContract
from tests.fakes.objects import FakeObjects
from tests.fixtures.launcher import make_app, make_manifest
from tests.support.small_image import NAME, small_image


@pytest.fixture
def panel():
    return uuid4().hex[:8]


@pytest.fixture
async def api(swarm):
    await asyncio.to_thread(small_image, swarm.client)
    made = DockerApi(swarm.url)
    yield made
    await made.close()


@pytest.fixture
async def guard(api, panel):
    made = SwarmGuard(api, panel, NAME, ())
    yield made
    await made.remove()


@pytest.fixture
def cache(swarm):
    def make(panel, app_id):
        swarm.client.volumes.create(cache_name(app_id), labels={CACHE: str(app_id), PANEL: panel})
        return cache_name(app_id)

    return make


def volumes(swarm):
    return {each.name for each in swarm.client.volumes.list()}


class TestSwarmUpkeep(UpkeepContract):
    @pytest.fixture
    def upkeep(self, api, panel, guard):
        return SwarmUpkeep(api, panel, guard, young_s=0)

    @pytest.fixture
    def leave(self, panel, cache):
        return lambda app_id: cache(panel, app_id)

    @pytest.fixture
    def left(self, swarm, panel):
        own = {"label": f"{PANEL}={panel}"}
        return lambda: {UUID(each.attrs["Labels"][CACHE]) for each in swarm.client.volumes.list(filters=own)}


async def test_caches_of_apps_that_are_gone_go_and_no_others(swarm, api, panel, guard, cache):
    app, gone, others = make_app(), make_app(), make_app()
    kept, lost, foreign = cache(panel, app.id), cache(panel, gone.id), cache("another", others.id)
    await SwarmUpkeep(api, panel, guard).remove_orphans({app.id}, ())
    assert {kept, lost, foreign} <= volumes(swarm)  # one that is young may be an app's that was made just now
    await SwarmUpkeep(api, panel, guard, young_s=0).remove_orphans({app.id}, ())
    assert {kept, lost, foreign} & volumes(swarm) == {kept, foreign}


async def test_a_cache_that_a_build_has_in_use_stays_until_it_ends(swarm, api, panel, guard, cache):
    app = make_app()
    name = cache(panel, app.id)
    build = swarm.client.containers.run(NAME, ["sleep", "1000"], volumes={name: {"bind": "/cache"}}, detach=True, network_mode="none")
    await SwarmUpkeep(api, panel, guard, young_s=0).remove_orphans((), ())
    assert name in volumes(swarm)
    build.remove(force=True)
    await SwarmUpkeep(api, panel, guard, young_s=0).remove_orphans((), ())
    assert name not in volumes(swarm)


async def test_one_off_dynos_that_ran_long_enough_are_ended(swarm, api, panel, guard):
    labels = {**release_labels(panel, make_manifest(make_app(), "d" * 64, {})), INDEX: "1"}
    past, future = (
        swarm.client.containers.run(NAME, ["sleep", "1000"], labels={**labels, UNTIL: str(int(time.time()) + life_s)}, detach=True)
        for life_s in (-1, 1000)
    )
    await SwarmUpkeep(api, panel, guard).remove_orphans((), ())
    for each in (past, future):
        each.reload()
    assert (past.status, future.status) == ("exited", "running")
    for each in (past, future):
        each.remove(force=True)


async def test_the_nodes_are_guarded(swarm, api, panel, guard):
    await SwarmUpkeep(api, panel, guard).remove_orphans((), ())
    assert f"skypanel_{panel}" in swarm.manager.call("nft", "list", "tables").stdout


async def test_an_app_that_is_removed_takes_its_cache_with_it(swarm, api, panel, cache, tmp_path):
    app, other = make_app(), make_app()
    mine, its = cache(panel, app.id), cache(panel, other.id)
    await SwarmScheduler(api, panel, SlugImages(api, FakeObjects(), NAME, tmp_path)).remove(app.id)
    assert {mine, its} & volumes(swarm) == {its}


@pytest.fixture
async def network(api, panel):
    """Make the network of an organization, and remove it at the end."""
    services, made = Services(api, panel), []

    async def make(organization):
        made.append(organization)
        await services.network(organization)

    yield make
    for organization in made:
        await services.forget_network(organization)


async def networks(api, panel):
    return {UUID(each["Labels"][ORGANIZATION]) for each in await Services(api, panel).networks()}


async def test_networks_of_organizations_that_are_gone_go_and_no_others(api, panel, guard, network):
    kept, gone = uuid4(), uuid4()
    await network(kept)
    await network(gone)
    await SwarmUpkeep(api, panel, guard).remove_orphans((), {kept})
    assert await networks(api, panel) == {kept, gone}  # one that is young may be an organization's that was made just now
    await SwarmUpkeep(api, panel, guard, young_s=0).remove_orphans((), {kept})
    assert await networks(api, panel) == {kept}
