"""The dashboard of a panel with a thousand apps, ten thousand releases and a million rows of usage: each page, and 500 that are open."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from statistics import median
from time import perf_counter

from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import TestServer

from skypanel.bootstrap import open_panel
from skypanel.ports.panel import Panel
from skypanel.settings import Settings, sources
from tests.bench import idle, memory, open_pages
from tests.bench.figures import Figure, percentile, single
from tests.bench.stage import Stage
from tests.journeys.harness import PanelUnderTest, new_panel
from tests.support.crowd import crowd, years
from tests.support.pages import addresses, names
from tests.support.statements import Counting
from web.app import create_app

APP = "crowded"
HOURS = 1_000
WARMING, REQUESTS = 2, 100
MS = 1000
# The page of the findings of `skypanel doctor` asks the whole machine: how long that takes is no matter of the dashboard.
EXAMINES = "/admin/health"
UNITS = {"statements": "statements", "bytes": "bytes"}


def pages(_stage: Stage) -> list[Figure]:
    """Ask a panel of its own for each page, one time after the other, through the proxy; then keep 500 pages open."""
    with new_panel() as panel:
        panel.up().repository("python-flask").push(APP)
        return asyncio.run(_measure(panel))


async def _measure(under_test: PanelUnderTest) -> list[Figure]:
    configured = sources.load(under_test.environment)
    async with open_panel(configured) as panel:
        async with panel.transaction() as conn:
            await crowd(conn, APP)
        async with panel.transaction() as conn:
            await years(conn, HOURS)
            paths = addresses(await names(conn, APP))
        return [*await _each(under_test, panel, configured, paths), *await open_pages.follow(under_test, panel, APP)]


async def _each(under_test: PanelUnderTest, panel: Panel, configured: Settings, paths: Mapping[str, str]) -> list[Figure]:
    web = memory.processes(under_test.process.pid)["web"]
    counting = Counting(panel.database)
    found: list[Figure] = []
    async with signed_in(under_test, panel) as browser, TestServer(create_app(replace(panel, database=counting), configured)) as counted:
        for path, url in paths.items():
            if path == EXAMINES:
                continue
            [await timed(browser, url) for _ in range(WARMING)]
            before = idle.cpu_of(web)
            times = [await timed(browser, url) for _ in range(REQUESTS)]
            cpu = (idle.cpu_of(web) - before) / REQUESTS * MS
            counting.count = 0
            async with browser.get(counted.make_url(url), allow_redirects=False) as response:
                size = len(await response.read())
            values = {"p50": median(times), "p99": percentile(times, 0.99), "cpu": cpu, "statements": counting.count, "bytes": size}
            found += [single(f"pages.{path}.{name}", [value], UNITS.get(name, "ms")) for name, value in values.items()]
    return found


@asynccontextmanager
async def signed_in(under_test: PanelUnderTest, panel: Panel):
    """Yield the administrator's browser, whose requests go through the proxy."""
    dashboard = panel.address.dashboard_url()
    headers = {"Host": dashboard.split("/")[2], "Origin": dashboard.rstrip("/")}
    async with ClientSession(f"http://127.0.0.1:{panel.address.http_port}", cookie_jar=CookieJar(unsafe=True), headers=headers) as browser:
        token = under_test.cli("login-link").stdout.partition("token=")[2].strip()
        async with browser.get("/login", params={"token": token}) as response:
            form_token = re.search(r'name="form_token" value="([0-9a-f]{64})"', await response.text())[1]
        async with browser.post("/login", data={"form_token": form_token, "token": token}, allow_redirects=False) as response:
            assert response.status == 303, await response.text()
        yield browser


async def timed(browser: ClientSession, url: str) -> float:
    """Return how long a page took, in ms."""
    began = perf_counter()
    async with browser.get(url, allow_redirects=False) as response:
        await response.read()
        assert response.status == 200, f"{url}: {response.status}"
    return (perf_counter() - began) * MS
