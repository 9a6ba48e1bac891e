"""Routes and the ingress of a real Swarm: what every router does, and that no request is lost."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Route
from skypanel.drivers.swarm.router import SwarmRouter
from tests.contracts.router import RouterContract
from tests.contracts.scheduler import READY_S, SERVE
from tests.fixtures.launcher import make_app, make_manifest, stored_slug
from tests.fixtures.swarm import TOKEN, engine, objects
from tests.support.until import until

__all__ = ["engine", "objects"]

HOST = "contract.localhost"


@pytest.fixture
def launch(engine, objects):
    """Launch releases of apps, and return the route of the newest."""
    apps, versions = {}, {}

    async def launch(quantity=1, host="contract.localhost", app_id=None, **changes):
        app = apps[app_id] if app_id else make_app()
        apps[app.id] = app
        versions[app.id] = versions.get(app.id, 0) + 1
        manifest = make_manifest(app, await stored_slug(objects), {"web": (SERVE, quantity)}, version=versions[app.id], **changes)
        await engine.scheduler.stage(app, manifest.slug_digest)
        await engine.scheduler.launch(manifest)
        dynos = await engine.scheduler.wait_ready(manifest, READY_S)
        return manifest, Route(app.id, (host,), tuple(dyno.endpoint for dyno in dynos))

    return launch


class TestSwarmRouter(RouterContract):
    @pytest.fixture
    def router(self, engine):
        return engine.router

    @pytest.fixture
    def publish(self):
        """The labels are the routes."""
        return lambda *routes: None

    @pytest.fixture
    def new_route(self, launch):
        async def new_route(*arguments, **options):
            return (await launch(*arguments, **options))[1]

        return new_route

    @pytest.fixture
    def router_without_proxy(self, engine):
        return SwarmRouter(engine.api, engine.panel, ["http://127.0.0.1:1"], TOKEN)


async def asked(engine, route, texts, stop):
    """Ask for a host's page again and again; what was answered is counted."""
    while not stop.is_set():
        try:
            texts[await engine.get(route.hosts[0])] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            texts[type(error).__name__] += 1


@asynccontextmanager
async def load(engine, route, clients=4):
    """Have clients ask all the time; yield what was answered."""
    texts, stop = Counter(), asyncio.Event()
    asking = [asyncio.create_task(asked(engine, route, texts, stop)) for _ in range(clients)]
    yield texts
    stop.set()
    await asyncio.gather(*asking)


async def test_no_request_fails_while_releases_follow_each_other_and_the_formation_changes(engine, launch):
    manifest, route = await launch(2, config_vars={"GREETING": "v1"})
    await engine.router.confirm([route])
    seen = []
    async with load(engine, route) as texts:
        for version in (2, 3):
            await until(lambda version=version: texts[200, f"v{version - 1}"] > 20)
            manifest, route = await launch(2, app_id=route.app_id, config_vars={"GREETING": f"v{version}"})
            await engine.router.confirm([route])
            before = texts[200, f"v{version - 1}"]
            await engine.scheduler.retire(manifest)
            await until(lambda version=version: texts[200, f"v{version}"] > 20)
            seen.append(texts[200, f"v{version - 1}"] - before)
        for quantity in (3, 1):
            manifest = replace(manifest, processes=(replace(manifest.processes[0], quantity=quantity),))
            await engine.scheduler.launch(manifest)
            dynos = await engine.scheduler.wait_ready(manifest, READY_S)
            await engine.router.confirm([replace(route, endpoints=tuple(dyno.endpoint for dyno in dynos))])
            await engine.scheduler.retire(manifest)
        await until(lambda: one_is_left(engine, manifest))
    assert {key for key in texts if key not in {(200, "v1"), (200, "v2"), (200, "v3")}} == set(), texts
    # Once the route is confirmed, nobody is led to the old release but those that were on their way.
    assert all(late <= 4 for late in seen), seen


async def one_is_left(engine, manifest):
    return len(await engine.scheduler.dynos(manifest.app_id)) == 1


async def test_a_change_of_a_route_starts_nothing_anew(engine, launch):
    manifest, route = await launch()
    before = await engine.scheduler.dynos(manifest.app_id)
    await engine.router.confirm([route])
    await engine.router.confirm([replace(route, hosts=("one.localhost", "two.localhost"))])
    assert [(await engine.get(host))[0] for host in ("one.localhost", "two.localhost", HOST)] == [200, 200, 503]
    await engine.router.confirm([replace(route, endpoints=())])
    assert await engine.get("one.localhost") == (503, "no available server\n")
    assert await engine.scheduler.dynos(manifest.app_id) == before


async def test_a_route_goes_back_to_the_older_release(engine, launch):
    _, old = await launch(config_vars={"GREETING": "old"})
    _, new = await launch(app_id=old.app_id, config_vars={"GREETING": "new"})
    for route, text in ((old, "old"), (new, "new"), (old, "old")):
        await engine.router.confirm([route])
        assert {(await engine.get(HOST))[1] for _ in range(4)} == {text}


async def test_a_route_to_dynos_that_are_gone_is_unavailable(engine, launch):
    _, route = await launch()
    with pytest.raises(Unavailable, match="are gone"):
        await engine.router.confirm([replace(route, endpoints=("10.0.0.1:5000",))])


async def test_the_api_answers_to_the_token_only_and_hostile_hosts_are_left_out(engine, launch):
    _, route = await launch()
    await engine.router.confirm([replace(route, hosts=(HOST, "evil`) || PathPrefix(`/"))])
    assert (await engine.get("anything.localhost"))[0] == 503
    async with aiohttp.ClientSession() as session:
        for headers, status in (({}, 404), ({PROXY_TOKEN_HEADER: TOKEN}, 200)):
            async with session.get(f"{engine.api_url}/api/rawdata", headers=headers) as response:
                assert response.status == status


async def test_an_ingress_that_was_killed_is_made_anew_in_all_networks(engine, launch, nodes):
    _, route = await launch()
    await engine.router.confirm([route])
    await engine.ingress.remove()
    await engine.ingress.ensure()
    await engine.router.confirm([route])
    assert await engine.get(HOST) == (200, "hello")
    container = nodes.docker.client.containers.get(engine.ingress.name)
    assert TOKEN not in str(container.attrs)
    await engine.ingress.ensure()
    assert nodes.docker.client.containers.get(engine.ingress.name).id == container.id


async def test_a_wildcard_leads_to_its_app_and_every_exact_name_goes_before_it(engine, launch):
    _, wide = await launch(host="*.example.com", config_vars={"GREETING": "wide"})
    # A newer release, so that only the kind of name decides.
    _, wide = await launch(app_id=wide.app_id, host="*.example.com", config_vars={"GREETING": "wide"})
    _, exact = await launch(host="a.example.com", config_vars={"GREETING": "exact"})
    await engine.router.confirm([wide, exact])
    assert await engine.get("a.example.com") == (200, "exact")
    assert await engine.get("b.example.com") == (200, "wide")
    for host in ("example.com", "b.a.example.com"):
        assert (await engine.get(host))[1] not in {"exact", "wide"}
    await engine.router.confirm([replace(wide, endpoints=())])
    assert (await engine.get("b.example.com"))[1] != "wide"
