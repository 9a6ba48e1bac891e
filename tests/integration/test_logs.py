import asyncio
import os
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.histogram import Buckets
from skypanel.domain.log import MAX_BYTES, Cursor, LogQuery, Source, printed
from skypanel.domain.terminal import clean
from skypanel.drivers.logs.files import MAX_APP_FILES, FileLogs
from skypanel.drivers.logs.matching import matcher
from skypanel.drivers.logs.watch import MAX_BATCHES
from skypanel.host.lines import MAX_LINE_BYTES, LineSplitter
from skypanel.launcher.logs import LogFile
from tests.contracts.logs import APP, OTHER, LogsContract, read, texts
from tests.fakes.clock import FakeClock
from tests.support.until import until

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock():
    return FakeClock(MIDNIGHT)


@pytest.fixture
def logs(tmp_path, clock):
    return FileLogs(tmp_path, clock)


@pytest.fixture
def dyno(tmp_path, clock):
    """Open the log files of dynos as the launcher does."""
    opened = []
    folder = tmp_path / str(APP.id)

    def open_file(name="web.1", max_bytes=MAX_BYTES):
        folder.mkdir(exist_ok=True)
        file = LogFile(os.open(folder, os.O_RDONLY), name, os.geteuid(), clock=clock.now, max_bytes=max_bytes)
        opened.append(file)
        return file

    yield open_file
    for file in opened:
        file.close()


class TestFileLogs(LogsContract):
    @pytest.fixture
    def say(self, dyno, clock):
        files = {}

        def say(name, *lines):
            if name not in files:
                files[name] = dyno(name)
            files[name].app(lines)
            clock.advance(1)

        return say


async def test_the_lines_of_all_dynos_and_the_platform_come_by_time(logs, dyno, clock):
    web, worker = dyno("web.1"), dyno("worker.1")
    web.app(["one"])
    clock.advance(1)
    worker.app(["two"])
    clock.advance(1)
    await logs.write(APP, "Release v2")
    clock.advance(1)
    web.system("State changed from up to crashed")
    assert await read(logs) == [
        "2024-01-01T00:00:00.000000+00:00 app[web.1]: one",
        "2024-01-01T00:00:01.000000+00:00 app[worker.1]: two",
        "2024-01-01T00:00:02.000000+00:00 app[api]: Release v2",
        "2024-01-01T00:00:03.000000+00:00 skypanel[web.1]: State changed from up to crashed",
    ]


@pytest.mark.parametrize("lines", [0, 1, 7, 50, 99, 100, 1000])
async def test_the_last_lines_are_found_through_rotated_files(logs, dyno, clock, lines):
    web = dyno(max_bytes=2_000)
    for number in range(200):
        web.app([str(number)])
        clock.advance(1)
    everything = texts(await read(logs, limit=10_000))
    assert 50 < len(everything) < 150
    assert everything[-1] == "199"
    expected = everything[-lines:] if lines else []
    assert texts(await read(logs, limit=lines)) == expected


async def test_the_last_lines_of_a_large_file_are_found_without_a_fault(logs, dyno):
    dyno().app([f"{number} {'x' * (number % 300)}" for number in range(5_000)])
    found = texts(await read(logs, limit=1_234))
    assert [int(text.split()[0]) for text in found] == list(range(5_000 - 1_234, 5_000))


@pytest.fixture
async def follower(logs):
    """Follow all lines in the background; the value is what was seen."""
    tasks = []

    def follow(**options):
        seen, started = [], asyncio.Event()

        async def copy():
            async for line in logs.read(APP, LogQuery(**options), follow=True):
                seen.append(line.text)
                started.set()

        tasks.append(asyncio.create_task(copy()))
        return seen

    yield follow
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_following_shows_what_comes_once_and_in_order_through_rotations_and_new_files(follower, dyno, clock):
    web = dyno("web.1", max_bytes=3_000)
    web.app(["before"])
    seen = follower(limit=1)
    await until(lambda: seen == ["before"])
    expected = ["before"]
    for number in range(300):
        clock.advance(1)
        web.app([f"web {number}"])
        expected.append(f"web {number}")
        if number % 20 == 0:
            await until(lambda: seen == expected)
    worker = dyno("worker.1")
    clock.advance(1)
    worker.app(["a new dyno"])
    await until(lambda: seen == [*expected, "a new dyno"])


async def test_many_who_follow_all_see_every_line_once_from_where_they_came_in(follower, dyno, clock):
    web = dyno()
    web.app(["before"])
    early = [follower(limit=1) for _ in range(20)]
    await until(lambda: all(seen == ["before"] for seen in early))
    clock.advance(1)
    web.app([f"{number}" for number in range(5)])
    late = [follower(limit=3) for _ in range(20)]
    await until(lambda: all(seen == ["2", "3", "4"] for seen in late))
    clock.advance(1)
    dyno("worker.1").app(["after"])
    await until(lambda: all(seen == ["before", "0", "1", "2", "3", "4", "after"] for seen in early))
    await until(lambda: all(seen == ["2", "3", "4", "after"] for seen in late))


async def test_one_who_is_slow_keeps_nobody_waiting_and_misses_nothing(logs, follower, dyno):
    web = dyno()
    web.app(["first"])
    slow = logs.read(APP, LogQuery(limit=1), follow=True)
    assert (await anext(slow)).text == "first"
    quick = follower(limit=1)
    await until(lambda: quick == ["first"])
    written = [f"{number}" for number in range(2 * MAX_BATCHES)]
    for text in written:
        web.app([text])
        await until(lambda text=text: quick[-1] == text)
    assert [(await anext(slow)).text for _ in written] == written
    web.app(["last"])
    assert (await anext(slow)).text == "last"
    await slow.aclose()


async def test_half_a_line_waits_for_its_end(follower, tmp_path):
    folder = tmp_path / str(APP.id)
    folder.mkdir()
    with (folder / "web.1.log").open("wb", buffering=0) as file:
        file.write(b"2024-01-01T00:00:00.000000+00:00 app[web.1]: whole\n2024-01-01T00:00:01.000000+00:00 app")
        seen = follower()
        await until(lambda: seen == ["whole"])
        file.write(b"[web.1]: half\n")
        await until(lambda: seen == ["whole", "half"])


async def test_the_platforms_file_is_rotated_by_whoever_fills_it(logs, clock, tmp_path):
    file = tmp_path / str(APP.id) / "api.log"
    await logs.write(APP, "first")
    with file.open("ab") as full:
        full.write(b"x" * (MAX_BYTES - 100) + b"\n")
    clock.advance(1)
    await asyncio.gather(*(logs.write(APP, f"{number:02d}") for number in range(20)))
    assert file.with_name("api.log.1").stat().st_size > MAX_BYTES - 200
    assert sorted(texts(await read(logs, limit=20))) == [f"{number:02d}" for number in range(20)]


def lines(*texts, dyno="web.1", second=0):
    return [line for text in texts for line in printed(dyno, MIDNIGHT + timedelta(seconds=second), text)]


async def test_collected_lines_are_read_like_all_others(logs, follower, tmp_path):
    seen = follower()
    await logs.append(APP.id, lines("one", "[skypanel] two", dyno="web.1") + lines("three", dyno="worker.1"))
    await until(lambda: sorted(seen) == ["one", "three", "two"])
    assert (tmp_path / str(APP.id) / "web.1.log").read_text().splitlines() == [
        "2024-01-01T00:00:00.000000+00:00 app[web.1]: one",
        "2024-01-01T00:00:00.000000+00:00 skypanel[web.1]: two",
    ]


async def test_lines_that_come_again_are_there_once(logs, tmp_path):
    await logs.append(APP.id, lines("one", "two", "two"))
    await logs.append(APP.id, lines("one", "two", "two", "two", "three"), again=True)
    assert texts(await read(logs)) == ["one", "two", "two", "two", "three"]
    (tmp_path / str(APP.id) / "web.1.log").rename(tmp_path / str(APP.id) / "web.1.log.1")
    await logs.append(APP.id, lines("two", "four"), again=True)
    await logs.append(APP.id, lines("four", second=1), again=True)
    assert texts(await read(logs)) == ["one", "two", "two", "two", "three", "four", "four"]


async def test_collected_lines_take_bounded_room(logs, tmp_path):
    """Whatever a node says: a file is rotated, and an app has so many files."""
    block = lines(*["x" * 16_000] * 150)
    for _ in range(20):
        await logs.append(APP.id, block)
    sizes = {path.name: path.stat().st_size for path in (tmp_path / str(APP.id)).iterdir()}
    assert sizes.keys() == {"web.1.log", "web.1.log.1", "web.1.log.2"}
    assert max(sizes.values()) <= MAX_BYTES
    for number in range(1, MAX_APP_FILES):
        (tmp_path / str(APP.id) / f"run.{number}.log").touch()
    for number in range(MAX_APP_FILES, MAX_APP_FILES + 10):
        await logs.append(APP.id, lines("x", dyno=f"run.{number}"))
    names = {path.name for path in (tmp_path / str(APP.id)).iterdir()}
    assert len(names) == MAX_APP_FILES
    assert f"run.{MAX_APP_FILES + 9}.log" in names
    assert "web.1.log.2" not in names


DAY = timedelta(days=1)


def pass_time(clock, tmp_path, seconds):
    """Let all files be so much older. The clock of the file system stays as it is."""
    clock.advance(seconds)
    for path in (tmp_path / str(APP.id)).iterdir():
        written = path.stat().st_mtime - seconds
        os.utime(path, (written, written))


@pytest.mark.req("R7.4")
@pytest.mark.parametrize("source", ["launcher", "collector"])
async def test_lines_go_after_their_retention_and_no_line_goes_before(logs, dyno, clock, tmp_path, source):
    begun, web = clock.now(), dyno()
    for hour in range(0, 24 * 20, 6):
        text = f"{hour}"
        if source == "launcher":
            web.app([text])
        else:
            await logs.append(APP.id, printed("web.1", clock.now(), text))
        await logs.drop(APP.id, datetime.now(UTC) - 7 * DAY)
        kept = [int(text) for text in texts(await read(logs))]
        assert kept == list(range(kept[0], hour + 1, 6))
        assert hour - 24 * 8 <= kept[0] <= max(0, hour - 24 * 7 + 6)
        assert await logs.oldest(APP) == begun + timedelta(hours=kept[0])
        pass_time(clock, tmp_path, 6 * 3600)
    pass_time(clock, tmp_path, 8 * DAY.total_seconds())
    await logs.drop(APP.id, datetime.now(UTC) - 7 * DAY)
    assert await read(logs) == []
    assert await logs.oldest(APP) is None
    web.app(["again"])
    assert texts(await read(logs)) == ["again"]


async def test_who_follows_misses_nothing_when_files_are_dropped(logs, follower, dyno, clock, tmp_path):
    web, expected = dyno(), []
    web.app(["first"])
    seen = follower()
    await until(lambda: seen == ["first"])
    for number in range(5):
        pass_time(clock, tmp_path, 2 * DAY.total_seconds())
        await logs.drop(APP.id, datetime.now(UTC) - DAY)
        assert list((tmp_path / str(APP.id)).iterdir()) == []
        web.app([f"{number}"])
        expected.append(f"{number}")
        await until(lambda: seen[1:] == expected)


async def test_what_is_written_while_old_lines_are_dropped_stays(logs, dyno, clock, tmp_path):
    """Writers of both kinds begin another file at the moment in which the old one goes."""
    web = dyno()
    for number in range(50):
        web.app(["old"])
        await logs.write(APP, "old")
        pass_time(clock, tmp_path, 2 * DAY.total_seconds())
        dropping = asyncio.create_task(logs.drop(APP.id, datetime.now(UTC) - DAY))
        await asyncio.sleep(0)
        web.app([f"web {number}"])
        await logs.write(APP, f"api {number}")
        await dropping
        assert {f"web {number}", f"api {number}"} <= set(texts(await read(logs)))
        pass_time(clock, tmp_path, 2 * DAY.total_seconds())
        await logs.drop(APP.id, datetime.now(UTC) - DAY)
        assert await read(logs) == []


async def test_a_line_from_a_clock_that_was_ahead_does_not_hold_a_file_open(dyno, clock, tmp_path):
    web = dyno()
    clock.advance(100 * DAY.total_seconds())
    web.app(["from the future"])
    clock.advance(-100 * DAY.total_seconds())
    web.app(["now"])
    assert "future" not in (tmp_path / str(APP.id) / "web.1.log").read_text()


async def test_only_plain_files_are_dropped(logs, clock, tmp_path):
    folder = tmp_path / str(APP.id)
    await logs.append(APP.id, lines("x"))
    (folder / "folder.log").mkdir()
    (folder / "link.log").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe.log")
    await logs.drop(APP.id, datetime.now(UTC) + DAY)
    assert {path.name for path in folder.iterdir()} == {"folder.log", "link.log", "pipe.log"}


async def test_several_processes_write_one_file(logs, clock, tmp_path):
    other = FileLogs(tmp_path, clock)
    blocks = [lines(*[f"{number} {'x' * 10_000}"] * 100) for number in range(16)]
    await asyncio.gather(*(each.append(APP.id, block) for block, each in zip(blocks, [logs, other] * 8, strict=True)))
    found = texts(await read(logs, limit=10_000))
    assert sorted(found) == sorted(line.text for block in blocks for line in block)


@pytest.mark.parametrize("size", [1, 30_000, 100_000])
async def test_what_is_no_line_hides_no_other(logs, tmp_path, size):
    """Binary, a line without an end, a line of another time: in a file that several blocks hold."""
    file = tmp_path / str(APP.id) / "web.1.log"
    await logs.append(APP.id, lines("first"))
    with file.open("ab") as damaged:
        damaged.write(b"\xff\x00" * size + b"\n\n")
    await logs.append(APP.id, lines("later", second=9))
    await logs.append(APP.id, lines("last", second=1))
    with file.open("ab") as damaged:
        damaged.write(b"2024" * size)
    assert texts(await read(logs)) == ["first", "last", "later"]
    assert texts(await read(logs, until=MIDNIGHT + timedelta(seconds=5))) == ["first", "last"]
    assert texts(await read(logs, since=MIDNIGHT + timedelta(seconds=5))) == ["later"]


async def test_lines_of_a_range_are_found_though_a_clock_went_back(logs):
    hour = timedelta(hours=1).seconds
    for second in (0, hour, 2 * hour, hour // 2, 3 * hour):
        await logs.append(APP.id, lines(*["x" * 1000] * 200, second=second))
    since, until = MIDNIGHT + timedelta(hours=0.4), MIDNIGHT + timedelta(hours=0.6)
    assert len(await read(logs, limit=1000, since=since, until=until)) == 200


async def test_what_the_platform_says_of_a_dyno_is_with_its_lines(logs, dyno, clock):
    dyno("web.1").app(["one"])
    clock.advance(1)
    await logs.write(APP, "Error R14 (Memory quota exceeded)", Source.SYSTEM, "web.1")
    await logs.write(APP, "Error R14 (Memory quota exceeded)", Source.SYSTEM, "worker.1")
    assert await read(logs, dyno="web.1") == [
        "2024-01-01T00:00:00.000000+00:00 app[web.1]: one",
        "2024-01-01T00:00:01.000000+00:00 skypanel[web.1]: Error R14 (Memory quota exceeded)",
    ]


async def test_no_link_is_followed_out_of_the_folder(logs, tmp_path):
    (tmp_path / str(APP.id)).mkdir()
    (tmp_path / "outside").write_text("")
    (tmp_path / str(APP.id) / "web.1.log").symlink_to(tmp_path / "outside")
    with pytest.raises(Unavailable):
        await logs.append(APP.id, lines("x"))
    assert (tmp_path / "outside").read_text() == ""


async def test_an_app_is_forgotten(logs, tmp_path):
    (tmp_path / "panel").mkdir()
    await logs.append(APP.id, lines("x"))
    await logs.append(OTHER.id, lines("x"))
    assert set(await logs.kept()) == {APP.id, OTHER.id}
    for _ in range(2):
        await logs.forget(APP.id)
    assert await logs.kept() == [OTHER.id]


@pytest.mark.parametrize(
    "query",
    [
        {"words": ("NEEDLE",)},
        {"words": ("needle", "30")},
        {"pattern": "need.e 1?0$"},
        {"pattern": "^needle"},
        {"pattern": r"\bneedle 20\b"},
        {"words": ("needle",), "since": MIDNIGHT + timedelta(seconds=15)},
        {"words": ("needle",), "until": MIDNIGHT + timedelta(seconds=25)},
        {"pattern": "e", "limit": 40, "from_start": True},
        {"newer_than": Cursor(MIDNIGHT + timedelta(seconds=20), 3), "from_start": True},
    ],
)
async def test_a_search_finds_what_a_look_at_each_line_does(logs, query):
    for dyno in ("web.1", "web.2"):
        for number in range(40):
            text = f"needle {number}" if number % 10 == 0 else "é" * 700
            await logs.append(APP.id, lines(*[text] * 5, dyno=dyno, second=number))
    everything = [line async for line in logs.read(APP, LogQuery(limit=1000))]
    assert len(everything) == 400
    wanted = LogQuery(**{"limit": 1000} | query)
    expected = wanted.page([line for line in everything if matcher(wanted)(line)])
    assert expected
    assert [line async for line in logs.read(APP, wanted)] == expected
    if "limit" not in query:
        assert [line async for line in logs.all(APP, wanted)] == expected


async def test_a_word_that_a_control_sequence_divides_is_found_as_it_is_shown(logs, dyno):
    dyno().app(["erased \x1b[Kin the mid\x1b[Kdle"] + ["other"] * 10)
    assert texts(await read(logs, words=("middle",))) == ["erased in the middle"]


async def test_all_lines_come_while_files_are_rotated(logs, dyno, clock, monkeypatch):
    monkeypatch.setattr("skypanel.drivers.logs.files.CHUNK_LINES", 5)
    web = dyno(max_bytes=2_000)
    for number in range(100):
        web.app([str(number)])
        clock.advance(1)
    expected = texts(await read(logs, limit=1000))
    found = []
    async with aclosing(logs.all(APP, LogQuery())) as reading:
        async for line in reading:
            found.append(line.text)
            if len(found) == 10:
                # One generation is gone now, and the names of the others are those of newer ones.
                web.app(["x" * 1000] * 2)
    assert found[:10] == expected[:10]
    assert found == sorted(found, key=int)
    assert set(found) <= set(expected)
    assert found[-1] == "99"


async def test_old_files_are_passed_over_for_newer_lines(logs, dyno, clock, tmp_path):
    web = dyno(max_bytes=2_000)
    for number in range(100):
        web.app([str(number)])
        clock.advance(1)
    everything = texts(await read(logs, limit=100))
    files = list((tmp_path / str(APP.id)).glob("web.1.log.*"))
    assert files
    # What is written later than a time is not older: files whose last line is from long before it are not looked at.
    for path in files:
        os.utime(path, (MIDNIGHT.timestamp() - 2 * 60 * 60,) * 2)
    newest = texts(await read(logs, limit=100, since=MIDNIGHT))
    assert newest == everything[-len(newest) :]
    assert 0 < len(newest) < len(everything)
    assert texts(await read(logs, limit=100)) == everything


async def test_only_so_many_lines_are_counted_and_that_is_told(logs, monkeypatch):
    monkeypatch.setattr("skypanel.drivers.logs.files.MAX_COUNTED", 30)
    for number in range(20):
        await logs.append(APP.id, lines("[ERROR] x", "y", second=number))
    buckets = Buckets.over(MIDNIGHT, MIDNIGHT + timedelta(seconds=20))
    counted = await logs.count(APP, LogQuery(), buckets)
    assert (sum(counted.lines), sum(counted.failures), counted.begin) == (30, 15, MIDNIGHT + timedelta(seconds=4))
    few = await logs.count(APP, LogQuery(since=MIDNIGHT), Buckets.over(MIDNIGHT + timedelta(seconds=15), MIDNIGHT + timedelta(seconds=20)))
    assert (sum(few.lines), few.begin) == (10, None)


async def test_binary_and_long_lines_are_read_counted_and_downloaded(logs, dyno, clock):
    splitter = LineSplitter()
    raw = splitter.feed(bytes(range(256)) * 4 + b"\n" + b"a" * 1024**2 + b"needle\n" + b"\xf0\x9f\n")
    dyno().app(raw)
    found = [line async for line in logs.all(APP, LogQuery())]
    assert [line.text for line in found] == texts(await read(logs, limit=1000))
    assert len(found) > 64
    assert all(len(line.text.encode()) <= MAX_LINE_BYTES * 3 and line.text == clean(line.text) for line in found)
    assert sum(len(line.text) for line in found if set(line.text) <= set("aneedl")) >= 1024**2
    assert [line.text[-6:] for line in found if "needle" in line.text] == texts_ends(await read(logs, words=("NEEDLE",)))
    counted = await logs.count(APP, LogQuery(), Buckets.over(clock.now(), clock.now() + timedelta(seconds=2)))
    assert sum(counted.lines) == len(found)


def texts_ends(found):
    return [text[-6:] for text in texts(found)]
