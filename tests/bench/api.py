"""The API of a panel with a thousand apps and ten thousand releases, and a thousand people who follow one app's log."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from statistics import median
from time import perf_counter

from aiohttp import ClientSession, ClientTimeout, TCPConnector
from aiohttp.test_utils import TestServer

from skypanel.bootstrap import open_panel
from skypanel.flow import accounts as accounts_flow
from skypanel.ports.panel import Panel
from skypanel.settings import Settings, sources
from skypanel.store import accounts
from tests.bench import idle, memory
from tests.bench.figures import Figure, percentile, single
from tests.bench.stage import Stage
from tests.journeys.harness import PanelUnderTest, new_panel
from tests.support.crowd import crowd
from tests.support.statements import Counting
from web.app import create_app

APP = "crowded"
CONNECTIONS = (1, 16, 64)
MS = 1000
TAILS = 1000
VISITS = 20
PAUSE_S = 0.5
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Request:
    """What is asked, so many times; `body` is given the number of the request."""

    name: str
    method: str
    path: str
    times: int
    body: Callable[[int], dict[str, str]] | None = None
    headers: tuple[tuple[str, str], ...] = ()


_numbers = count()
REQUESTS = (
    Request("read", "GET", f"/apps/{APP}", 640),
    Request("apps", "GET", "/apps", 128, headers=(("Range", "name ..; max=1000"),)),
    Request("releases", "GET", f"/apps/{APP}/releases", 320, headers=(("Range", "version ..; order=desc"),)),
    Request("config", "PATCH", f"/apps/{APP}/config-vars", 64, body=lambda _: {"NUMBER": f"{next(_numbers)}"}),
)


def calls(_stage: Stage) -> list[Figure]:
    """Ask a panel of its own, through the proxy, over some numbers of connections."""
    with new_panel() as panel:
        panel.up().repository("python-flask").push(APP)
        return asyncio.run(_calls(panel))


def tail(_stage: Stage) -> list[Figure]:
    """Follow the log of an app, alone and among a thousand, and see how long its lines take."""
    with new_panel() as panel:
        panel.up().repository("python-plain").push(APP)
        return asyncio.run(_tail(panel))


async def _calls(under_test: PanelUnderTest) -> list[Figure]:
    configured = sources.load(under_test.environment)
    found: list[Figure] = []
    async with open_panel(configured) as panel:
        async with panel.transaction() as conn:
            await crowd(conn, APP)
        web = memory.processes(under_test.process.pid)["web"]
        for request in REQUESTS:
            for connections in CONNECTIONS:
                # A token is good for so many calls an hour: each row has one of its own.
                before = idle.cpu_of(web)
                async with client(under_test, await token(panel), connections) as session:
                    found += await _figures(session, request, connections)
                if connections == 1:
                    found.append(single(f"api.{request.name}.cpu", [(idle.cpu_of(web) - before) / (request.times + 1) * MS], "ms"))
            found.append(Figure(f"api.{request.name}.statements", await _statements(panel, configured, request), "statements"))
    return found


async def _figures(client: ClientSession, request: Request, connections: int) -> list[Figure]:
    numbers = iter(range(request.times))
    times: list[float] = []

    async def ask() -> None:
        # All of them take from the same numbers, so that none waits for another.
        times.extend([await _time(client, request, number) for number in numbers])

    await _time(client, request, 0)
    began = perf_counter()
    await asyncio.gather(*(ask() for _ in range(connections)))
    rate = len(times) / (perf_counter() - began)
    name = f"api.{request.name}"
    return [
        single(f"{name}.rate.{connections}", [rate], "requests/s"),
        single(f"{name}.p50.{connections}", [median(times)], "ms"),
        single(f"{name}.p99.{connections}", [percentile(times, 0.99)], "ms"),
    ]


async def _time(client: ClientSession, request: Request, number: int) -> float:
    began = perf_counter()
    sent = client.request(request.method, request.path, json=request.body(number) if request.body else None, headers=dict(request.headers))
    async with sent as response:
        text = await response.text()
        assert response.status in {200, 206}, text
    return (perf_counter() - began) * MS


async def _statements(panel: Panel, configured: Settings, request: Request) -> int:
    counting = Counting(panel.database)
    server = TestServer(create_app(replace(panel, database=counting), configured))
    headers = {"Host": configured.address.domain, "Authorization": f"Bearer {await token(panel)}"}
    async with server, ClientSession(str(server.make_url("")), headers=headers) as session:
        await _time(session, request, 0)
    return counting.count


async def token(panel: Panel) -> str:
    """Return a new token of the administrator."""
    async with panel.transaction() as conn:
        admin = (await accounts.admins(conn))[0]
    return await accounts_flow.add_token(panel, admin, "bench")


@asynccontextmanager
async def client(under_test: PanelUnderTest, token: str, connections: int):
    """Yield a client with a token, whose requests go through the proxy."""
    port = under_test.ports[1]
    headers = {"Host": f"localhost:{port}", "Authorization": f"Bearer {token}"}
    timeout, connector = ClientTimeout(total=120), TCPConnector(limit=connections)
    async with ClientSession(f"http://127.0.0.1:{port}", headers=headers, timeout=timeout, connector=connector) as session:
        yield session


async def _tail(under_test: PanelUnderTest) -> list[Figure]:
    configured = sources.load(under_test.environment)
    async with open_panel(configured) as panel, client(under_test, await token(panel), 0) as session:
        alone = await _followed(under_test, session, 1)
        before = memory.by_kind(under_test.process.pid)["web"]
        many = await _followed(under_test, session, TAILS, lambda: memory.by_kind(under_test.process.pid)["web"])
    return [
        single("logs.tail.p50", [median(alone.delays)], "ms"),
        single("logs.tail.max", [max(alone.delays)], "ms"),
        single(f"logs.tail.p50.{TAILS}", [median(many.delays)], "ms"),
        single(f"logs.tail.p99.{TAILS}", [percentile(many.delays, 0.99)], "ms"),
        Figure(f"logs.tail.missed.{TAILS}", TAILS * VISITS - len(many.delays), "lines"),
        single(f"logs.tail.memory.{TAILS}", [(many.kib - before) / memory.MIB], "MiB"),
    ]


@dataclass(frozen=True)
class Followed:
    """How long each line took, in ms, and what the panel's web process took meanwhile."""

    delays: Sequence[float]
    kib: int


async def _followed(under_test: PanelUnderTest, client: ClientSession, tails: int, look: Callable[[], int] = lambda: 0) -> Followed:
    delays: list[float] = []
    opened = asyncio.Semaphore(0)
    enough = asyncio.Event()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        readers = []
        for _ in range(tails):
            async with client.post(f"/apps/{APP}/log-sessions", json={"tail": True, "lines": 0}) as response:
                path = (await response.json())["logplex_url"].partition(client.headers["Host"])[2]
            stream = await stack.enter_async_context(client.get(path, headers={"Accept": "text/event-stream"}, timeout=ClientTimeout()))
            assert stream.status == 200
            readers.append(tasks.create_task(_read(stream.content, delays, opened, lambda: len(delays) >= tails * VISITS and enough.set())))
        for _ in range(tails):
            await opened.acquire()
        await asyncio.sleep(2 * PAUSE_S)
        for number in range(VISITS):
            await asyncio.to_thread(under_test.get, APP, f"/visit-{number}")
            await asyncio.sleep(PAUSE_S)
        kib = look()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await enough.wait()
        except TimeoutError:
            pass
        for reader in readers:
            reader.cancel()
    return Followed(delays, kib)


async def _read(content, delays: list[float], opened: asyncio.Semaphore, seen: Callable[[], object]) -> None:
    first = True
    async for line in content:
        if first:
            first = False
            opened.release()
        text = line.decode()
        if text.startswith("data: ") and "/visit-" in text:
            written = datetime.fromisoformat(text.removeprefix("data: ").partition(" ")[0])
            delays.append((time.time() - written.timestamp()) * MS)
            seen()
