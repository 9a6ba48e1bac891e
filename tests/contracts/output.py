"""The contract of the port Output. A subclass provides the fixture `output`."""

import asyncio
import itertools
import statistics
import time

import pytest

from skypanel.domain.output import LineId

SOON_S = 0.3
LINES = 10


async def read_all(output, stream, **options):
    """Return the texts of a stream, and whether it ended with its end mark."""
    lines = [line async for line in output.read(stream, **options)]
    assert not any(line.end for line in lines[:-1])
    return [line.text for line in lines if not line.end], bool(lines) and lines[-1].end


class OutputContract:
    async def test_lines_come_in_order_numbered_from_one_and_end(self, output):
        async with output.writer("build/1", 1) as writer:
            await writer.write("one")
            await writer.write("")
            await writer.write("three")
        lines = [line async for line in output.read("build/1")]
        assert [line.id for line in lines] == [LineId(1, number) for number in (1, 2, 3, 4)]
        assert [line.text for line in lines] == ["one", "", "three", ""]
        assert [line.end for line in lines] == [False, False, False, True]

    async def test_a_reader_sees_a_line_at_once(self, output):
        async with output.writer("build/1", 1) as writer:
            reader = output.read("build/1")
            waits = []
            for number in range(1, LINES + 1):
                waiting = asyncio.ensure_future(anext(reader))
                await asyncio.sleep(0)
                before = time.monotonic()
                await writer.write(f"line {number}")
                line = await waiting
                assert (line.id.number, line.text) == (number, f"line {number}")
                waits.append(time.monotonic() - before)
            await reader.aclose()
        # One that asks again and again waits for each line; a busy machine delays a few.
        assert statistics.median(waits) < SOON_S

    async def test_a_reader_goes_on_where_it_stopped(self, output):
        async with output.writer("build/1", 1) as writer:
            for number in range(1, 5):
                await writer.write(str(number))
        assert await read_all(output, "build/1", after=LineId(1, 2)) == (["3", "4"], True)
        assert await read_all(output, "build/1", after=LineId(1, 5), idle_s=0.1) == ([], False)

    async def test_a_silent_stream_ends_without_an_end_mark(self, output):
        assert await read_all(output, "build/none", idle_s=0.1) == ([], False)
        async with output.writer("build/1", 1) as writer:
            await writer.write("one")
            assert await read_all(output, "build/1", idle_s=0.3) == (["one"], False)

    async def test_leaving_by_an_error_ends_the_stream(self, output):
        async def job():
            async with output.writer("build/1", 1) as writer:
                await writer.write("one")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await job()
        assert await read_all(output, "build/1") == (["one"], True)

    async def test_leaving_by_cancellation_ends_the_stream(self, output):
        written = asyncio.Event()

        async def job():
            async with output.writer("build/1", 1) as writer:
                await writer.write("one")
                written.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(job())
        await written.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await read_all(output, "build/1") == (["one"], True)

    async def test_a_later_attempt_follows_an_earlier_one_whose_lines_are_then_dropped(self, output):
        async with output.writer("rollout/1", 1) as lost:
            await lost.write("first")
            assert (await anext(output.read("rollout/1"))).text == "first"
            async with output.writer("rollout/1", 2) as writer:
                await writer.write("second")
                assert (await anext(output.read("rollout/1", after=LineId(1, 99)))).text == "second"
                await lost.write("too late")
        assert await read_all(output, "rollout/1") == (["first", "second"], True)

    async def test_an_end_mark_that_another_attempt_followed_ends_nothing(self, output):
        for attempt, text in ((1, "first"), (2, "second")):
            async with output.writer("rollout/1", attempt) as writer:
                await writer.write(text)
        assert await read_all(output, "rollout/1") == (["first", "second"], True)

    async def test_many_readers_read_the_same(self, output):
        reading = [asyncio.create_task(read_all(output, "build/1")) for _ in range(20)]
        async with output.writer("build/1", 1) as writer:
            for number in range(100):
                await writer.write(str(number))
        expected = ([str(number) for number in range(100)], True)
        assert all(result == expected for result in await asyncio.gather(*reading))

    async def test_streams_are_apart(self, output):
        async with output.writer("build/1", 1) as one, output.writer("build/10", 1) as ten:
            await one.write("one")
            await ten.write("ten")
        assert await read_all(output, "build/1") == (["one"], True)
        assert await read_all(output, "build/10") == (["ten"], True)

    async def test_what_controls_a_terminal_is_taken_out_and_long_lines_are_cut(self, output):
        async with output.writer("build/1", 1) as writer:
            await writer.write("\x1b[2J\x1b[31mred\x1b[0m\tend\x07")
            await writer.write("x" * 20_000)
            await writer.write("lone surrogate \ud800")
        texts, ended = await read_all(output, "build/1")
        assert ended
        assert texts == ["\x1b[31mred\x1b[0m\tend", "x" * 16_384, "x" * 3_616, "lone surrogate ?"]

    async def test_a_flood_is_cut_off_but_for_its_last_lines(self, output):
        async with output.writer("build/1", 1) as writer:
            for number in range(12_000):
                await writer.write(f"{number:05d}{'.' * 1000}")
            await writer.write("the end")
        texts, ended = await read_all(output, "build/1")
        assert ended
        assert sum(len(text) + 1 for text in texts) < 10.2 * 1024 * 1024
        cut = next(index for index, text in enumerate(texts) if "Output is truncated here" in text)
        assert all(int(text[:5]) == index for index, text in zip(itertools.count(), texts[:cut]))
        assert texts[-1] == "the end"
        assert len(texts) - cut == 51

    async def test_a_flood_of_empty_lines_is_cut_off_too(self, output):
        async with output.writer("build/1", 1) as writer:
            for _ in range(30):
                await writer.write("\n" * 10_000)
            await writer.write("the end")
        texts, ended = await read_all(output, "build/1")
        assert ended
        assert len(texts) < 165_000
        assert texts[-1] == "the end"
        assert sum("Output is truncated here" in text for text in texts) == 1
