"""The proxy of a panel with many domains, each of an app of its own and with a certificate: a changed route, and no change."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from aiohttp import ClientSession, TCPConnector
from sqlalchemy import text

from skypanel.bootstrap import open_panel
from skypanel.domain.app import App
from skypanel.ports.panel import Panel
from skypanel.settings import Settings, sources
from skypanel.store import apps, routes
from tests.bench import idle, memory
from tests.bench.figures import Figure, single
from tests.bench.stage import Stage
from tests.journeys.harness import PanelUnderTest, new_panel
from tests.support.pairs import pair
from tests.support.until import until

APP = "changing"
SIZES = (10, 100, 1_000, 10_000)
CHANGES = 5
WATCHED_S = 10.0
PAUSE_S = 0.01
PATIENCE_S = 300
# No change is on its way any more when nothing has worked for so long.
QUIET_S = 1.0
MS = 1000

# Apps that are led where the only app is, with a domain each and its certificate.
LED = (
    """
    INSERT INTO paas_applications (name, organization_id, plan_version_id)
    SELECT 'led-' || n, organization_id, plan_version_id FROM generate_series({first}, {last}) n, paas_applications WHERE name = '{name}'
    """,
    """
    INSERT INTO paas_routes (app_id, hosts, endpoints)
    SELECT a.id, ARRAY[a.name || '.localhost', a.name || '.example.com'], r.endpoints
    FROM paas_routes r JOIN paas_applications o ON o.id = r.app_id AND o.name = '{name}'
    JOIN paas_applications a ON a.name IN (SELECT 'led-' || n FROM generate_series({first}, {last}) n)
    """,
    """
    INSERT INTO paas_certificates (app_id, source, names, chain, secret, not_before, not_after, issuer, serial, directory)
    SELECT id, 'acme', ARRAY[name || '.example.com'], :chain, :secret, now(), now() + interval '90 days', 'bench', name, 'https://ca.test/'
    FROM paas_applications WHERE name IN (SELECT 'led-' || n FROM generate_series({first}, {last}) n)
    """,
    "ANALYZE",
)
TRANSACTIONS = """
    SELECT pid FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL OR state LIKE 'idle in transaction%'
"""
_numbers = count()


def domains(_stage: Stage) -> list[Figure]:
    """Add domains to a panel of its own, and measure at each number of them."""
    with new_panel() as panel:
        panel.up().repository("python-flask").push(APP)
        return asyncio.run(_measure(panel))


async def _measure(under_test: PanelUnderTest) -> list[Figure]:
    found: list[Figure] = []
    configured = sources.load(under_test.environment)
    kinds = memory.processes(under_test.process.pid)
    workers = [pid for pid in kinds["worker"] if not _is_database(pid)]
    # The panel's own rounds would take away routes to dynos that apps do not have.
    async with open_panel(configured) as panel, ClientSession(connector=TCPConnector(limit=0)) as client, _stopped(panel, workers):
        async with panel.autocommit() as conn:
            app = await apps.by_name(conn, APP)
        assert app is not None
        measured = Measured(panel, configured, client, app, kinds)
        for before, size in zip((0, *SIZES), SIZES, strict=False):
            await _add(panel, before + 1, size)
            found += await measured.figures(size)
    return found


async def _add(panel: Panel, first: int, last: int) -> None:
    chain, key = pair("www.example.com")
    values = {"chain": chain, "secret": panel.cipher.encrypt(key)}
    async with panel.transaction() as conn:
        for statement in LED:
            await conn.execute(text(statement.format(first=first, last=last, name=APP)), values if ":chain" in statement else None)


class Measured:
    """A panel at work with some number of domains."""

    def __init__(self, panel: Panel, configured: Settings, client: ClientSession, app: App, kinds: dict[str, list[int]]) -> None:
        self._panel = panel
        self._configured = configured
        self._client = client
        self._app = app
        self._kinds = kinds

    async def figures(self, size: int) -> list[Figure]:
        """Change a route some times, then watch a panel in which nothing changes, and one in which something else does."""
        await self._rest()
        lives, stalls, proxy, web = [], [], [], []
        for _ in range(CHANGES):
            before = self._cpu("traefik"), self._cpu("web")
            async with self._stalls() as longest:
                lives.append(await self._change())
                await self._rest()
            stalls.append(max(longest))
            proxy.append((self._cpu("traefik") - before[0]) * MS)
            web.append((self._cpu("web") - before[1]) * MS)
        return [
            single(f"domains.live.{size}", lives),
            single(f"domains.proxy.{size}", proxy, "ms"),
            single(f"domains.web.{size}", web, "ms"),
            Figure(f"domains.stall.{size}", round(max(stalls)), "ms"),
            *await self._watched(f"domains.rest.{size}"),
            *await self._watched(f"domains.beside.{size}", busy=True),
        ]

    async def _change(self) -> float:
        """Lead one more name to the app, and return how long it takes until the proxy does."""
        host = f"new-{next(_numbers)}.localhost"
        async with self._panel.transaction() as conn:
            led = await routes.get(conn, self._app.id)
            assert led is not None
            await routes.put(conn, self._app.id, [f"{APP}.localhost", host], led.endpoints)
        began = time.perf_counter()
        await until(lambda: self._serves(host), PATIENCE_S)
        return time.perf_counter() - began

    async def _serves(self, host: str) -> bool:
        async with self._client.get(f"http://127.0.0.1:{self._configured.address.http_port}/", headers={"Host": host}) as response:
            return response.status == 200

    @asynccontextmanager
    async def _stalls(self) -> AsyncIterator[list[float]]:
        """Ask the web process for something small all the time; the list has how long each answer took, in ms."""
        took: list[float] = [0.0]

        async def ask() -> None:
            while True:
                began = time.perf_counter()
                async with self._client.get(f"http://127.0.0.1:{self._configured.web_port}/internal/health") as response:
                    await response.read()
                took.append((time.perf_counter() - began) * MS)
                await asyncio.sleep(PAUSE_S)

        asking = asyncio.create_task(ask())
        try:
            yield took
        finally:
            asking.cancel()

    async def _rest(self) -> None:
        """Return once the proxy has stopped working on the last change."""
        while True:
            before = self._cpu("traefik")
            await asyncio.sleep(QUIET_S)
            if self._cpu("traefik") - before < 0.1 * QUIET_S:
                return

    async def _watched(self, name: str, *, busy: bool = False) -> list[Figure]:
        """Return what proxy and web take of a processor while no route changes; if `busy`, another row does, ten times a second."""
        before, began = self._cpu("traefik") + self._cpu("web"), time.perf_counter()
        while time.perf_counter() - began < WATCHED_S:
            if busy:
                async with self._panel.transaction() as conn:
                    await conn.execute(text("UPDATE paas_accounts SET created_at = created_at"))
            await asyncio.sleep(0.1)
        taken = self._cpu("traefik") + self._cpu("web") - before
        return [Figure(name, round(taken / (time.perf_counter() - began) * 100, 1), "%")]

    def _cpu(self, kind: str) -> float:
        return idle.cpu_of(self._kinds[kind])


@asynccontextmanager
async def _stopped(panel: Panel, pids: list[int]) -> AsyncIterator[None]:
    """Stop processes while none is in a transaction."""
    _signal(pids, signal.SIGSTOP)
    while await _has_transactions(panel):
        _signal(pids, signal.SIGCONT)
        await asyncio.sleep(PAUSE_S)
        _signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pids, signal.SIGCONT)


async def _has_transactions(panel: Panel) -> bool:
    async with panel.autocommit() as conn:
        return bool(await conn.all(text(TRANSACTIONS)))


def _is_database(pid: int) -> bool:
    """Whether a process is one of Postgres's own workers."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"postgres:")


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)
