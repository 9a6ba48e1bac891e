"""A Valkey as the panel configures it, full of output: wake-ups go through, and no line is lost."""

import os
import shutil
import tempfile
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from skypanel.drivers.celery import CeleryQueue
from skypanel.drivers.output.streams import StreamOutput, connect
from skypanel.drivers.storage.files import FileObjects
from skypanel.embedded.processes import valkey_config
from skypanel.ports.queue import Job
from skypanel.settings import Settings
from tests.contracts.output import read_all
from tests.fixtures.valkey import NOBODY, PASSWORD, Valkey
from tests.support.until import until

LIMIT = 16 * 1024**2
LINES = [f"{number} " + "x" * 1000 for number in range(4000)]


@pytest.fixture
def full():
    """The panel's own configuration, with less memory so that a test can fill it."""
    folder = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
    settings = Settings(
        home=folder, run_dir=folder, web_port=7000, traefik_port=7001, git_port=7002,
        uid_base=1 << 20, subnet=IPv4Network("10.9.64.0/18"), allow=(), panel_uid=0, panel_gid=0,
        database_password="", valkey_password=PASSWORD, traefik_token="",
    )  # fmt: skip
    (folder / "valkey.conf").write_text(valkey_config(settings).replace("maxmemory 256mb", f"maxmemory {LIMIT}"))
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    server = Valkey(folder, folder / "valkey.conf")
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


async def test_streams_that_fill_it_hold_up_no_wake_up(full, tmp_path):
    redis, queue = connect(full.url), CeleryQueue(full.broker_url)
    output = StreamOutput(connect(full.url), tmp_path / "spool", FileObjects(tmp_path / "objects"))
    async with output.writer("build/live", 1) as live:
        await live.write("begun")
        for number in range(8):
            async with output.writer(f"build/{number}", 1) as writer:
                for line in LINES:
                    await writer.write(line)
        await until(lambda: is_evicting(redis))
        for job in Job:
            await queue.wake(job)
        assert [await redis.llen(job.value) for job in Job] == [1 for _ in Job]
        await live.write("done")
    for number in range(8):
        assert await read_all(output, f"build/{number}") == (LINES, True)
    assert await read_all(output, "build/live") == (["begun", "done"], True)
    for opened in (output, queue):
        await opened.close()
    await redis.aclose()


async def is_evicting(redis):
    """Whether it was so full that something had to go: what that leaves may be little, if it was a whole stream."""
    return (await redis.info("stats"))["evicted_keys"] > 0
