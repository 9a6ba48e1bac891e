"""How soon open pages learn of a change, and what the panel takes for them."""

import asyncio
import time
from collections.abc import Sequence
from statistics import median

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from sqlalchemy import text

from skypanel.flow import sessions
from skypanel.ports.panel import Panel
from skypanel.store import apps, organizations
from tests.bench import idle, memory
from tests.bench.figures import Figure, percentile, single
from tests.journeys.harness import PanelUnderTest
from web.session import SESSION

# Every other page is the list of apps; the rest show ten apps.
OPEN, SHOWN, CHANGES = 500, 10, 20
LISTS = OPEN // 2
PAUSE_S, WATCHED_S, PATIENCE_S = 1.0, 20.0, 10.0
MS = 1000
CHANGE = "UPDATE paas_applications SET maintenance = NOT maintenance WHERE name = :name"


class Followed:
    """The delays, in ms, with which pages were told of the last change."""

    def __init__(self) -> None:
        self.opened = asyncio.Semaphore(0)
        self.delays: list[float] = []
        self._told = asyncio.Semaphore(0)
        self._changed_at = 0.0

    async def read(self, browser: ClientSession, url: str, cookie: str) -> None:
        """Follow a page's event stream. Its first event says that the page shows something else than it was asked for."""
        async with browser.get(url, headers={"Cookie": cookie}) as stream:
            assert stream.status == 200, f"{url}: {stream.status}"
            events = (line async for line in stream.content if line.startswith(b"event: changed"))
            await anext(events)
            self.opened.release()
            async for _ in events:
                self.delays.append((time.time() - self._changed_at) * MS)
                self._told.release()

    async def change(self, panel: Panel, name: str) -> None:
        """Change an app, and wait until all of its pages and all lists were told."""
        self._changed_at = time.time()
        async with panel.transaction() as conn:
            await conn.execute(text(CHANGE).bindparams(name=name))
        try:
            async with asyncio.timeout(PATIENCE_S):
                for _ in range(LISTS + LISTS // SHOWN):
                    await self._told.acquire()
        except TimeoutError:
            pass


async def follow(under_test: PanelUnderTest, panel: Panel, app: str) -> list[Figure]:
    """Open pages of the members of an app's organization, leave them alone for a while, then change the apps that they show."""
    shown = [f"app-{number:04}" for number in range(SHOWN)]
    shown[0] = app
    cookies = await _cookies(panel, app)
    web = memory.processes(under_test.process.pid)["web"]
    before = memory.by_kind(under_test.process.pid)["web"]
    followed = Followed()
    async with _browser(panel) as browser, asyncio.TaskGroup() as tasks:
        readers = []
        for number, cookie in enumerate(cookies):
            url = "/changes" if number < LISTS else f"/apps/{shown[number % SHOWN]}/changes"
            readers.append(tasks.create_task(followed.read(browser, f"{url}?seen=", cookie)))
        for _ in readers:
            await followed.opened.acquire()
        await asyncio.sleep(PAUSE_S)
        rest = await _rest(web)
        for number in range(CHANGES):
            await followed.change(panel, shown[number % SHOWN])
            await asyncio.sleep(PAUSE_S)
        kib = memory.by_kind(under_test.process.pid)["web"]
        for reader in readers:
            reader.cancel()
    return [
        single("pages.open.p50", [median(followed.delays)], "ms"),
        single("pages.open.p99", [percentile(followed.delays, 0.99)], "ms"),
        Figure("pages.open.missed", CHANGES * (LISTS + LISTS // SHOWN) - len(followed.delays), "events"),
        single("pages.open.memory", [(kib - before) / memory.MIB], "MiB"),
        single("pages.open.rest", [rest], "%"),
    ]


def _browser(panel: Panel) -> ClientSession:
    host = panel.address.dashboard_url().split("/")[2]
    return ClientSession(
        f"http://127.0.0.1:{panel.address.http_port}",
        headers={"Host": host},
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(),
    )


async def _cookies(panel: Panel, app: str) -> Sequence[str]:
    """Sign the members of an app's organization in until there is a session for each page."""
    async with panel.transaction() as conn:
        owner = (await apps.by_name(conn, app)).organization_id
        people = [member.account for member in await organizations.members(conn, owner)]
        turns = [people[number % len(people)] for number in range(OPEN)]
        return [f"{SESSION}={await sessions.begin(panel.clock, conn, account, '127.0.0.1', 'bench')}" for account in turns]


async def _rest(pids: Sequence[int]) -> float:
    """Return how much of a processor some processes take while nothing happens, in percent."""
    began, cpu = time.monotonic(), idle.cpu_of(pids)
    await asyncio.sleep(WATCHED_S)
    return (idle.cpu_of(pids) - cpu) / (time.monotonic() - began) * 100
