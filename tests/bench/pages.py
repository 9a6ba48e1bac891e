"""The dashboard of a panel with a thousand apps and ten thousand releases in its database."""

import asyncio
import re
from dataclasses import replace
from statistics import median
from time import perf_counter

from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import TestServer

from skypanel.bootstrap import open_panel
from skypanel.settings import sources
from tests.bench.figures import Figure, percentile, single
from tests.bench.stage import Stage
from tests.journeys.harness import PanelUnderTest, new_panel
from tests.support.crowd import crowd
from tests.support.statements import Counting
from web.app import create_app

APP = "crowded"
PAGE = f"/apps/{APP}"
REQUESTS = 500
MS = 1000


def dashboard(_stage: Stage) -> list[Figure]:
    """Ask a panel of its own for an app's page, one time after the other, through the proxy."""
    with new_panel() as panel:
        panel.up().repository("python-flask").push(APP)
        return asyncio.run(_measure(panel))


async def _measure(under_test: PanelUnderTest) -> list[Figure]:
    configured = sources.load(under_test.environment)
    async with open_panel(configured) as panel, _browser(panel.address.http_port, panel.address.dashboard_url()) as browser:
        async with panel.transaction() as conn:
            await crowd(conn, APP)
        await _sign_in(browser, under_test.cli("login-link").stdout.partition("token=")[2].strip())
        times = [await _time(browser) for _ in range(REQUESTS)]
        counting = Counting(panel.database)
        counted = TestServer(create_app(replace(panel, database=counting), configured))
        async with counted as server, browser.get(server.make_url(PAGE), allow_redirects=False) as response:
            assert response.status == 200, await response.text()
    return [
        single("dashboard.p50", [median(times)], "ms"),
        single("dashboard.p99", [percentile(times, 0.99)], "ms"),
        Figure("dashboard.statements", counting.count, "statements"),
    ]


def _browser(port: int, dashboard: str) -> ClientSession:
    headers = {"Host": dashboard.split("/")[2], "Origin": dashboard.rstrip("/")}
    return ClientSession(f"http://127.0.0.1:{port}", cookie_jar=CookieJar(unsafe=True), headers=headers)


async def _sign_in(browser: ClientSession, token: str) -> None:
    async with browser.get("/login", params={"token": token}) as response:
        form_token = re.search(r'name="form_token" value="([0-9a-f]{64})"', await response.text())[1]
    async with browser.post("/login", data={"form_token": form_token, "token": token}, allow_redirects=False) as response:
        assert response.status == 303, await response.text()


async def _time(browser: ClientSession) -> float:
    began = perf_counter()
    async with browser.get(PAGE, allow_redirects=False) as response:
        await response.read()
        assert response.status == 200, response.status
    return (perf_counter() - began) * MS
