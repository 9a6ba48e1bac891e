import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.drivers.storage.files import FileObjects
from skypanel.drivers.storage.intake import write
from tests.contracts.objects import ObjectsContract, chunks, read


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def objects(tmp_path):
    return FileObjects(tmp_path)


class TestFileObjects(ObjectsContract):
    pass


async def test_nothing_is_left_of_an_object_whose_source_fails(objects, tmp_path):
    async def failing():
        yield b"x" * 2_000_000
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await objects.add("slugs", failing())
    assert files(tmp_path) == []


async def test_nothing_is_left_of_an_object_whose_writer_is_cancelled(objects, tmp_path):
    arrived = asyncio.Event()

    async def endless():
        yield b"x" * 2_000_000
        arrived.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(objects.add("slugs", endless()))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == []


async def test_a_large_object_in_small_chunks_comes_back_whole(objects):
    stored = await objects.add("slugs", chunks(*(bytes([n % 256]) * 1_000 for n in range(3_000))))
    assert stored.size_bytes == 3_000_000
    body = await read(objects, "slugs", stored.digest)
    assert body == b"".join(bytes([n % 256]) * 1_000 for n in range(3_000))


async def test_only_the_owner_may_read(objects, tmp_path):
    await objects.add("slugs", chunks(b"private"))
    assert all(path.stat().st_mode & 0o077 == 0 for path in files(tmp_path))


async def test_leftovers_of_a_crash_are_swept_and_what_is_being_written_is_not(objects, tmp_path):
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    old, new = unfinished / "old", unfinished / "new"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (0, 0))
    await objects.sweep(datetime.now(UTC) - timedelta(hours=1))
    assert not old.exists()
    assert new.exists()


def test_a_full_disk_says_so():
    # Every write to it fails as on a full disk: full(4).
    with Path("/dev/full").open("wb", buffering=0) as file, pytest.raises(Unavailable, match="disk of the panel's storage is full"):
        write(file, b"x")


async def test_a_storage_that_fails_says_so_and_keeps_nothing(objects, tmp_path):
    (tmp_path / "slugs").write_text("no folder")
    with pytest.raises(Unavailable, match="storage fails"):
        await objects.add("slugs", chunks(b"x"))
    assert files(tmp_path / "unfinished") == []
