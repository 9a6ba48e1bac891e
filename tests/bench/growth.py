"""What a page, a call and the panel's own rounds take as apps at rest become more."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from aiohttp import ClientSession

from skypanel.bootstrap import open_panel
from skypanel.flow import billing, certificates, route
from skypanel.flow.certificates import LOOKS_AT_ONCE
from skypanel.ports.panel import Panel
from skypanel.settings import sources
from tests.bench import api, idle, memory, pages
from tests.bench.figures import Figure, single
from tests.bench.stage import Stage
from tests.journeys.harness import PanelUnderTest, new_panel
from tests.support.crowd import month, rest
from tests.support.pages import addresses, names
from tests.support.statements import Counting

APP = "growing"
SIZES = idle.SIZES
# The main pages. Those of an organization show a month's usage of each app.
PAGES = (
    "/admin",
    "/admin/organizations",
    "/admin/organizations/{organization}",
    "/admin/queue",
    "/apps",
    "/apps/{app}",
    "/apps/{app}/deploys",
    "/apps/{app}/environment",
    "/apps/{app}/settings",
    "/organizations/{organization}",
    "/organizations/{organization}/usage",
)
REQUESTS = 50
ROUNDS = 5
MS = 1000


def growth(_stage: Stage) -> list[Figure]:
    """Add apps at rest to a panel of its own, with nine releases each, and measure at each number of them."""
    with new_panel() as panel:
        panel.up().repository("python-flask").push(APP)
        panel.cli("config", APP, "--set", "SECRET=of some length, as secrets are")
        return asyncio.run(_measure(panel))


async def _measure(under_test: PanelUnderTest) -> list[Figure]:
    found: list[Figure] = []
    configured = sources.load(under_test.environment)
    web = memory.processes(under_test.process.pid)["web"]
    async with open_panel(configured) as panel, pages.signed_in(under_test, panel) as browser:
        token = await api.token(panel)
        for before, size in zip((0, *SIZES), SIZES, strict=False):
            async with panel.transaction() as conn:
                await rest(conn, APP, before + 1, size)
                await month(conn, before + 1, size)
                paths = addresses(await names(conn, APP))
            for path in PAGES:
                work = await _per_request([*web, *_database(under_test)], partial(pages.timed, browser, paths[path]))
                found.append(single(f"growth.{path}.{size}", [work], "ms"))
            async with api.client(under_test, token, 1) as client:
                found.append(single(f"growth.api.{size}", [await _per_request(web, lambda: _list(client))], "ms"))
            for _ in range(size // LOOKS_AT_ONCE + 1):
                await _certificates(panel)
            for name, act in ROUNDS_OF.items():
                found += await _round(panel, name, size, act)
    return found


def _database(under_test: PanelUnderTest) -> list[int]:
    """Return the processes of the database's connections, without the first one, which counts what has ended."""
    return memory.processes(under_test.process.pid)["postgres"][1:]


async def _certificates(panel: Panel) -> None:
    """Look at what changed, which is nothing once all new apps were looked at."""
    await certificates.work(panel, "bench")


ROUNDS_OF: dict[str, Callable[[Panel], Awaitable[object]]] = {
    "billing": billing.bill,
    "certificates": _certificates,
    "routes": route.active,
}


async def _list(client: ClientSession) -> None:
    async with client.get("/apps", headers={"Range": "name ..; max=1000"}) as response:
        assert response.status in {200, 206}, response.status
        await response.read()


async def _per_request(pids: list[int], ask: Callable[[], Awaitable[object]]) -> float:
    """Return how long some processes are at work for one request, in ms."""
    await ask()
    before = idle.cpu_of(pids)
    for _ in range(REQUESTS):
        await ask()
    return (idle.cpu_of(pids) - before) / REQUESTS * MS


async def _round(panel: Panel, name: str, size: int, act: Callable[[Panel], Awaitable[object]]) -> list[Figure]:
    """Return how long one of the panel's own rounds takes, with the database, and how many statements it asks."""
    counting = Counting(panel.database)
    walls = []
    for _ in range(ROUNDS):
        counting.count, began = 0, time.perf_counter()
        await act(replace(panel, database=counting))
        walls.append((time.perf_counter() - began) * MS)
    return [
        single(f"growth.{name}.{size}", walls, "ms"),
        Figure(f"growth.{name}_statements.{size}", counting.count, "statements"),
    ]
