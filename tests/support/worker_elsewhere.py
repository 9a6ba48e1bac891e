"""The product's worker on another machine, with a builder and a scheduler that hang while a file in STORAGE says so.

Like `workers.app`, it uses only the environment. STORAGE is a folder that all machines share, instead of a bucket.
"""

import os
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from celery import Celery

from skypanel.bootstrap import open_panel
from skypanel.drivers.celery import OPTIONS
from skypanel.drivers.output.streams import StreamOutput, connect
from skypanel.drivers.storage.files import FileObjects
from skypanel.settings import sources
from tests.fakes.logs import FakeLogs
from tests.fakes.metrics import FakeMetrics
from tests.fakes.router import FakeRouter
from tests.support.panels import FakeBuilder, FakeScheduler
from tests.support.until import until
from workers import jobs, run, schedule
from workers.__main__ import make_folders
from workers.process import PanelProcess

STORAGE = Path(os.environ["STORAGE"])


async def hang(name):
    """Record that this point was reached, and wait while a hold file exists."""
    (STORAGE / f"{name}.reached").touch()
    await until(lambda: not (STORAGE / f"{name}.hold").exists(), within_s=300)


class HangingBuilder(FakeBuilder):
    async def run(self, step, write, stdin=None):
        await write("a line of the build")
        await hang("build")
        return await super().run(step, write, stdin)


class HangingScheduler(FakeScheduler):
    async def wait_ready(self, manifest, timeout_s):
        await hang("rollout")
        (STORAGE / "config").write_text(repr(dict(manifest.config_vars)))
        return await super().wait_ready(manifest, timeout_s)


@asynccontextmanager
async def open_here():
    loaded = sources.of_worker(os.environ)
    make_folders(loaded)
    builder = HangingBuilder()
    builder.answer("test", "-f", code=1)
    builder.answer("detect", out=b"python\nPython\n")
    builder.answer("cat", "/app/Procfile", out=b"web: serve\n")
    builder.answer("tar -c", out=b"a slug")
    objects = FileObjects(STORAGE / "objects")
    async with open_panel(loaded) as panel:
        output = StreamOutput(connect(loaded.valkey_url), loaded.spool, objects)
        yield replace(
            panel,
            builder=builder,
            scheduler=HangingScheduler(),
            router=FakeRouter(),
            objects=objects,
            output=output,
            logs=FakeLogs(),
            metrics=FakeMetrics(),
        )
        await output.close()


app = Celery("skypanel", set_as_current=False)
app.add_defaults({**OPTIONS, **schedule.OPTIONS, "broker_url": sources.of_worker(os.environ).broker_url})
process = PanelProcess(open_here, lambda: sources.of_worker(os.environ).run_dir)
jobs.register(app, process)

if __name__ == "__main__":
    run.main("tests.support.worker_elsewhere", lambda: (app, process))
