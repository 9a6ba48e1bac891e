"""Routes and the ingress of a real Swarm: what every router does, and that no request is lost."""

import pytest

from skypanel.domain.routing import Route
from skypanel.drivers.swarm_router import SwarmRouter
from tests.contract_router import RouterContract
from tests.contract_scheduler import READY_S, SERVE
from tests.fakes import FakeObjects
from tests.launcher_fixture import make_app, make_manifest, stored_slug
from tests.swarm_fixture import TOKEN, nodes, running_engine

__all__ = ["nodes"]


@pytest.fixture
def objects():
    return FakeObjects()


@pytest.fixture
async def engine(nodes, objects, tmp_path):
    async with running_engine(nodes, objects, tmp_path) as made:
        yield made


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
