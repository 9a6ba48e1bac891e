"""What apps at rest cost: the panel's idle processors, a round of reconciliation, a push beside them."""

import asyncio
import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from skypanel.bootstrap import open_panel
from skypanel.flow import reconcile
from skypanel.ports.panel import Panel
from skypanel.settings import sources
from tests.bench import memory
from tests.bench.deploys import FlaskApp, flask_app
from tests.bench.figures import Figure, single
from tests.bench.stage import Stage
from tests.support.crowd import rest
from tests.support.statements import Counting

SIZES = (10, 100, 1_000, 10_000)
# Long enough for each job that comes every half minute.
WATCHED_S = 60.0
SETTLED_S = 15.0
ROUNDS = 5
PUSHES = 3
TICKS = os.sysconf("SC_CLK_TCK")


def apps(stage: Stage) -> list[Figure]:
    """Add apps at rest to a panel, with nine releases each, and measure at each number of them."""
    found: list[Figure] = []
    with flask_app(stage, "idle-beside") as app:
        app.command("config", app.name, "--set", "SECRET=of some length, as secrets are")
        for before, size in zip((0, *SIZES), SIZES, strict=False):
            found += asyncio.run(_measure(app, before, size))
    return found


async def _measure(app: FlaskApp, before: int, size: int) -> list[Figure]:
    async with open_panel(sources.load(app.stage.panel.environment)) as panel:
        async with panel.transaction() as conn:
            await rest(conn, app.name, before + 1, size)
        await asyncio.sleep(SETTLED_S)
        cpu, statements = await _idle(panel, app.stage.panel.process.pid)
        walls, cpus, asked = await _rounds(panel)
    pushes = [_push(app, size + number) for number in range(PUSHES)]
    return [
        Figure(f"idle.cpu.{size}", round(cpu, 1), "%"),
        Figure(f"idle.transactions.{size}", round(statements, 1), "1/s"),
        single(f"reconcile.wall.{size}", walls),
        single(f"reconcile.cpu.{size}", cpus),
        Figure(f"reconcile.statements.{size}", asked, "statements"),
        single(f"push.beside.{size}", pushes),
    ]


async def _idle(panel: Panel, up: int) -> tuple[float, float]:
    """Return how much of a processor all of the panel's processes take, and how many transactions a second the database has."""
    began, cpu, transactions = time.monotonic(), cpu_s(up), await _transactions(panel)
    await asyncio.sleep(WATCHED_S)
    took = time.monotonic() - began
    return (cpu_s(up) - cpu) / took * 100, (await _transactions(panel) - transactions) / took


async def _transactions(panel: Panel) -> int:
    async with panel.autocommit() as conn:
        row = await conn.first(text("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"))
    return int(row.xact_commit) if row else 0


async def _rounds(panel: Panel) -> tuple[list[float], list[float], int]:
    """Return how long rounds took, how much of that was this process at work, and how many statements one takes."""
    walls, cpus = [], []
    counting = Counting(panel.database)
    for _ in range(ROUNDS):
        counting.count = 0
        wall, cpu = time.perf_counter(), time.process_time()
        await reconcile.reconcile(replace(panel, database=counting))
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return walls, cpus, counting.count


def _push(app: FlaskApp, number: int) -> float:
    app.change(number)
    began = time.perf_counter()
    app.push()
    return time.perf_counter() - began


def cpu_s(up: int) -> float:
    """Return the processor time of `up`, of its descendants, and of those of theirs that have ended."""
    return cpu_of(memory.descendants(up))


def cpu_of(pids: Iterable[int]) -> float:
    """Return the processor time of some processes, and of their children that have ended."""
    return sum(sum(map(int, fields[11:15])) for fields in map(_fields, pids) if fields) / TICKS


def _fields(pid: int) -> list[str]:
    """Return what proc(5) tells of a process, from its state on; nothing if it has just ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
