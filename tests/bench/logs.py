"""Logs: how soon a dyno's lines are seen, how many a second are stored without a loss, and a search of ten million."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from aiohttp import ClientSession, ClientTimeout

from skypanel.bootstrap import open_panel
from skypanel.domain.log import MAX_BYTES, OLDER_FULL_FILES, LogQuery
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.logs.files import FileLogs
from skypanel.drivers.swarm.spec import service_labels
from skypanel.settings import sources
from tests.bench import api, memory
from tests.bench.figures import Figure, percentile, single
from tests.bench.stage import Stage
from tests.contracts.logs import APP as STORED
from tests.fixtures.docker import running_docker
from tests.fixtures.launcher import make_manifest
from tests.journeys.harness import PanelUnderTest, new_panel
from tests.support.collector_under_test import collecting
from tests.support.small_image import small_image

APP, PANEL = "talkative", "bench"
MS = 1000
TAILED, TAILED_S = 1_000, 20
# A dyno's files keep the last seconds of such a rate: all lines must be there at the end.
FAST, FAST_S = 20_000, 10
MOST = 250_000
PATIENCE_S = 120.0
WEEK_LINES, WEEK = 10_000_000, timedelta(days=7)
SEARCHES = 3
MIB = 1024**2

# Prints `bench <number> <time>`, so many lines a second, and as many as there are to be.
_PRINT = """
import sys, time
rate, total = {rate}, {total}
begun, number = time.time(), 0
while number < total:
    due = min(total, int((time.time() - begun) * rate))
    if due > number:
        now = time.time()
        sys.stdout.write("".join("bench %d %.6f\\n" % (each, now) for each in range(number, min(due, number + 1000))))
        sys.stdout.flush()
        number = min(due, number + 1000)
    else:
        time.sleep(0.001)
"""
_PRINTED = re.compile(rb"^(\S+) app\[\S+\]: bench (\d+) ", re.MULTILINE)


def logs(_stage: Stage) -> list[Figure]:
    """Print lines in a dyno of a panel of its own; search files as they are after a week."""
    found = _searched()
    with new_panel() as panel:
        panel.up().repository("python-plain").push(APP)
        found += asyncio.run(_tailed(panel))
        found += _taken(panel, "20000", FAST, FAST * FAST_S)
        found += _taken(panel, "most", 10**9, MOST)
    return found


def _run(under_test: PanelUnderTest, rate: int, total: int) -> str:
    """Start a dyno that prints, and return its name."""
    said = under_test.cli("run", "--detached", APP, "--", "python", "-c", _PRINT.format(rate=rate, total=total)).stdout
    return re.search(r"run\.\d+", said)[0]


async def _tailed(under_test: PanelUnderTest) -> list[Figure]:
    """Follow the log by the API, through the proxy, while a dyno prints 1,000 lines a second."""
    async with open_panel(sources.load(under_test.environment)) as panel, api.client(under_test, await api.token(panel), 0) as session:
        delays = await _delays(under_test, session)
    return [
        single(f"logs.write.p50.{TAILED}", [median(delays)], "ms"),
        single(f"logs.write.p99.{TAILED}", [percentile(delays, 0.99)], "ms"),
        Figure(f"logs.write.missed.{TAILED}", TAILED * TAILED_S - len(delays), "lines"),
    ]


async def _delays(under_test: PanelUnderTest, session: ClientSession) -> list[float]:
    async with session.post(f"/apps/{APP}/log-sessions", json={"tail": True, "lines": 0, "search": "bench"}) as response:
        path = (await response.json())["logplex_url"].partition(session.headers["Host"])[2]
    delays: list[float] = []
    headers = {"Accept": "text/event-stream"}
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S), session.get(path, headers=headers, timeout=ClientTimeout()) as stream:
            await stream.content.readline()
            await asyncio.to_thread(_run, under_test, TAILED, TAILED * TAILED_S)
            async for line in stream.content:
                if line.startswith(b"data: "):
                    delays.append((time.time() - float(line.rpartition(b" ")[2])) * MS)
                    if len(delays) == TAILED * TAILED_S:
                        break
    return delays


def _taken(under_test: PanelUnderTest, name: str, rate: int, total: int) -> list[Figure]:
    """Print lines, and look how many were stored, at which rate, and what the launcher took of memory meanwhile."""
    launcher = memory.processes(under_test.process.pid)["launcher"][0]
    before = peak = memory.pss_kib(launcher)
    dyno = _run(under_test, rate, total)
    stamps: dict[int, datetime] = {}
    until = perf_counter() + PATIENCE_S
    while len(stamps) < total and perf_counter() < until:
        time.sleep(1)
        peak = max(peak, memory.pss_kib(launcher))
        stamps = dict(_stored(under_test.home / "panel" / "logs", dyno))
    first, last = min(stamps.values()), max(stamps.values())
    return [
        Figure(f"logs.rate.{name}", round(len(stamps) / (last - first).total_seconds()), "lines/s"),
        Figure(f"logs.lost.{name}", total - len(stamps), "lines"),
        single(f"logs.memory.{name}", [(peak - before) / memory.MIB], "MiB"),
    ]


def collected(_stage: Stage) -> list[Figure]:
    """Print lines in a dyno of a Swarm, whose collector reads them from Docker and stores them."""
    with running_docker() as docker, TemporaryDirectory(dir="/var/tmp") as folder:
        logs, total = Path(folder) / "logs", FAST * FAST_S
        with collecting(docker.url, PANEL, logs) as collector:
            labels = service_labels(PANEL, make_manifest(STORED, "d" * 64, {}), "web")
            script = f"import time; time.sleep(10){_PRINT.format(rate=FAST, total=total)}time.sleep(3600)"
            container = {"Image": small_image(docker.client), "Command": ["python3", "-c", script], "Labels": labels}
            docker.client.api.create_service({"ContainerSpec": container}, name="talkative", labels=labels)
            found, peaks = {}, []
            until = perf_counter() + PATIENCE_S
            while len(found) < total and perf_counter() < until:
                time.sleep(0.5)
                peaks.append(memory.pss_kib(collector.pid))
                found = dict(_stored(logs, "web.1"))
            # Docker gives each line the time at which it came: the newest one is as old as the collector is late.
            late = (datetime.now(UTC) - max(found.values())).total_seconds()
    return [
        Figure("logs.collector.lost", total - len(found), "lines"),
        single("logs.collector.late", [late]),
        single("logs.collector.memory", [max(peaks) / memory.MIB], "MiB"),
    ]


def _stored(logs: Path, dyno: str) -> Iterator[tuple[int, datetime]]:
    for path in logs.glob(f"*/{dyno}.log*"):
        for stamp, number in _PRINTED.findall(path.read_bytes()):
            yield int(number), datetime.fromisoformat(stamp.decode())


def _searched() -> list[Figure]:
    """Search ten million lines for a word that the first of them has."""
    with TemporaryDirectory(dir="/var/tmp") as folder:
        size = _write_week(Path(folder) / str(STORED.id))
        files = FileLogs(Path(folder), SystemClock())
        begun = process_time()
        times = [asyncio.run(_search(files, LogQuery(words=("NEEDLE",)))) for _ in range(SEARCHES)]
        used = (process_time() - begun) / SEARCHES
        matching = [asyncio.run(_search(files, LogQuery(pattern=r"need[a-z]e=\d+"))) for _ in range(SEARCHES)]
    return [
        Figure("logs.search.size", round(size / MIB), "MiB"),
        single("logs.search.word", times),
        single("logs.search.cpu", [used]),
        single("logs.search.regex", matching),
    ]


async def _search(files: FileLogs, query: LogQuery) -> float:
    began = perf_counter()
    found = [line async for line in files.read(STORED, query)]
    took = perf_counter() - began
    assert [line.text.partition(" ")[0] for line in found] == ["needle=1"], found
    return took


def _write_week(folder: Path) -> int:
    """Write the lines of a week, as many to a file as it keeps, of as many dynos as that needs. The oldest has the word."""
    folder.mkdir()
    begin, each = datetime(2026, 1, 1, tzinfo=UTC), WEEK / WEEK_LINES
    number, dyno, total = 0, 0, 0
    while number < WEEK_LINES:
        dyno += 1
        for generation in range(OLDER_FULL_FILES + 1)[::-1]:
            path = folder / (f"web.{dyno}.log" + (f".{generation}" if generation else ""))
            with path.open("wb", buffering=1024**2) as file:
                while file.tell() < MAX_BYTES - 4096 and number < WEEK_LINES:
                    some = range(number, min(number + 1000, WEEK_LINES))
                    stamp = (begin + number * each).isoformat(timespec="microseconds")
                    lines = [f"{stamp} app[web.{dyno}]: GET /items/{at} 200 in 7 ms\n" for at in some]
                    if number == 0:
                        lines[0] = f"{stamp} app[web.{dyno}]: needle=1 is found\n"
                    file.write("".join(lines).encode())
                    number = some.stop
                total += file.tell()
    return total
