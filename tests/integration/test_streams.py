import asyncio
import multiprocessing
import os
import signal

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.output import LineId
from skypanel.drivers.output import archive
from skypanel.drivers.output.streams import StreamOutput, connect
from skypanel.drivers.storage.files import FileObjects
from tests.contracts.output import OutputContract, read_all
from tests.support.until import until


@pytest.fixture
def objects(tmp_path):
    return FileObjects(tmp_path / "objects")


@pytest.fixture
async def output(valkey, objects, tmp_path):
    output = StreamOutput(connect(valkey.url), tmp_path / "spool", objects)
    yield output
    await output.close()


@pytest.fixture
async def redis(valkey):
    client = connect(valkey.url)
    yield client
    await client.aclose()


def spools(tmp_path):
    return list((tmp_path / "spool").iterdir())


class TestStreamOutput(OutputContract):
    pass


async def test_an_ended_stream_expires_in_an_hour_and_is_read_from_the_archive(output, redis, tmp_path):
    async with output.writer("build/1", 1) as writer:
        await writer.write("one")
        await until(lambda: redis.exists("build/1"))
        assert 80_000 < await redis.ttl("build/1") <= 86_400
    assert 3_500 < await redis.ttl("build/1") <= 3_600
    assert spools(tmp_path) == []
    await redis.delete("build/1")
    assert await read_all(output, "build/1") == (["one"], True)
    assert await read_all(output, "build/1", after=LineId(1, 1)) == ([], True)


async def test_the_archive_merges_attempts_though_one_is_missing(output, objects, redis):
    await archive.put(objects, "rollout/1", 1, b"first\n")
    await archive.put(objects, "rollout/1", 3, b"third\nhalf a li")
    assert await read_all(output, "rollout/1") == (["first", "third"], True)
    assert await read_all(output, "rollout/1", after=LineId(1, 1)) == (["third"], True)


@pytest.mark.parametrize("lines_meanwhile", [0, 3])
async def test_a_redis_that_comes_back_empty_gets_all_lines_again(output, valkey, lines_meanwhile):
    async with output.writer("build/1", 1) as writer:
        reading = asyncio.create_task(read_all(output, "build/1"))
        await writer.write("before")
        assert (await anext(output.read("build/1"))).text == "before"
        valkey.stop()
        for number in range(lines_meanwhile):
            await writer.write(f"meanwhile {number}")
        valkey.start()
        await writer.write("after")
        expected = ["before", *(f"meanwhile {number}" for number in range(lines_meanwhile)), "after"]
        texts, _ = await read_all(output, "build/1", idle_s=2)
        assert texts == expected
    assert await reading == (expected, True)


async def test_a_stream_that_ends_while_redis_is_gone_is_read_from_the_archive(output, valkey):
    async with output.writer("build/1", 1) as writer:
        await writer.write("one")
        reading = asyncio.create_task(read_all(output, "build/1"))
        assert (await anext(output.read("build/1"))).text == "one"
        valkey.stop()
        await writer.write("two")
    assert await reading == (["one", "two"], True)
    assert await read_all(output, "build/1", after=LineId(1, 1)) == (["two"], True)


async def test_a_storage_that_is_down_costs_a_live_stream_nothing_and_its_lines_are_kept(valkey, tmp_path):
    class Down(FileObjects):
        async def exists(self, kind, digest):
            raise Unavailable("The object storage does not answer.")

        async def put(self, kind, name, body):
            raise Unavailable("The object storage does not answer.")

    output = StreamOutput(connect(valkey.url), tmp_path / "spool", Down(tmp_path / "objects"))
    reading = asyncio.create_task(read_all(output, "build/1"))
    async with output.writer("build/1", 1) as writer:
        await writer.write("one")
    assert await reading == (["one"], True)
    assert len(spools(tmp_path)) == 1
    async with output.writer("build/1", 2) as writer:
        await writer.write("two")
    assert await read_all(output, "build/1") == (["one", "two"], True)
    await output.close()


async def test_without_redis_and_archive_a_reader_gives_up_after_its_idle_time(output, valkey):
    valkey.stop()
    async with asyncio.timeout(60):
        assert await read_all(output, "build/1", idle_s=0.5) == ([], False)


def write_and_hang(url, spool, folder, written):
    async def run():
        async with StreamOutput(connect(url), spool, FileObjects(folder)).writer("build/1", 1) as writer:
            for number in range(1_000):
                await writer.write(str(number))
            written.set()
            await asyncio.Event().wait()

    asyncio.run(run())


@pytest.fixture
def killed_writer(valkey, tmp_path):
    """Run a writer in a process of its own and kill it with SIGKILL."""
    context = multiprocessing.get_context("spawn")
    written = context.Event()
    process = context.Process(target=write_and_hang, args=(valkey.url, tmp_path / "spool", tmp_path / "objects", written))
    process.start()
    assert written.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.join()


async def test_the_spool_of_a_killed_writer_is_archived_by_the_next_attempt(killed_writer, output, redis, tmp_path):
    assert len(spools(tmp_path)) == 1
    async with output.writer("build/1", 2) as writer:
        await writer.write("The worker was lost.")
    assert spools(tmp_path) == []
    await redis.delete("build/1")
    assert await read_all(output, "build/1") == ([*map(str, range(1_000)), "The worker was lost."], True)


async def test_a_stale_spool_is_swept_into_the_archive(killed_writer, output, redis, tmp_path):
    await output.sweep()
    assert len(spools(tmp_path)) == 1
    await output.sweep(older_than_s=0)
    assert spools(tmp_path) == []
    await redis.delete("build/1")
    assert await read_all(output, "build/1") == (list(map(str, range(1_000))), True)


async def test_lines_of_an_attempt_that_was_overtaken_are_not_archived(output, redis):
    async with output.writer("rollout/1", 1) as lost:
        await lost.write("first")
        assert (await anext(output.read("rollout/1"))).text == "first"
        async with output.writer("rollout/1", 2) as writer:
            await writer.write("second")
            await anext(output.read("rollout/1", after=LineId(1, 99)))
            await lost.write("too late")
            await until(lambda: lost._publisher._superseded)  # noqa: SLF001 - nothing else shows it
    await redis.delete("rollout/1")
    assert await read_all(output, "rollout/1") == (["first", "second"], True)


async def test_a_redis_that_hangs_holds_up_neither_writer_nor_end(output, valkey):
    async with asyncio.timeout(60):
        with valkey.hung():
            async with output.writer("build/1", 1) as writer:
                for number in range(1_000):
                    await writer.write(str(number))
        assert await read_all(output, "build/1") == (list(map(str, range(1_000))), True)
