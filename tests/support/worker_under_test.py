"""A Celery application like the product's, with jobs that write to a journal file.

`python -m tests.support.worker_under_test`, with QUEUE_URL and JOURNAL in the environment.
"""

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path

from celery import Celery

from skypanel.drivers.celery import receiving
from tests.support.until import until
from workers import jobs, run, schedule
from workers.process import PanelProcess


def note(*words):
    with open(os.environ["JOURNAL"], "a") as journal:  # noqa: PTH123 - one write, one line
        journal.write(" ".join(map(str, words)) + "\n")


@asynccontextmanager
async def open_panel():
    note("opened", os.getpid())
    yield asyncio.get_running_loop()
    note("closed", os.getpid())


async def build(panel, worker):
    note("built", panel is asyncio.get_running_loop(), worker)


async def rollout(panel, worker):
    note("begun", os.getpid())
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        note("cancelled", os.getpid())


async def reconcile(panel, worker):
    note("failed")
    raise ZeroDivisionError("a fault of its own")


async def wake(panel, worker):
    note("woken", os.getpid())


async def remove_orphans(panel, worker):
    """Run while the file `busy` exists."""
    note("tending")
    await until(lambda: not (Path(os.environ["JOURNAL"]).parent / "busy").exists(), within_s=60)
    note("tended")


async def expire_builds(panel, worker):
    note("expired")


async def check_nodes(panel, worker):
    note("checked")


async def bill(panel, worker):
    note("billed")


JOBS = {
    "build": build,
    "rollout": rollout,
    "reconcile": reconcile,
    "wake": wake,
    "remove_orphans": remove_orphans,
    "expire_builds": expire_builds,
    "check_nodes": check_nodes,
    "bill": bill,
}

app = Celery("skypanel", set_as_current=False)
app.add_defaults({**receiving(os.environ["QUEUE_URL"]), **schedule.OPTIONS})
app.conf.beat_schedule["wake"]["schedule"] = 0.2
process = PanelProcess(open_panel, lambda: Path(os.environ["JOURNAL"]).parent)
jobs.register(app, process, JOBS)

if __name__ == "__main__":
    run.main("tests.support.worker_under_test", lambda: (app, process))
