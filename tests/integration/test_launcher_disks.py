"""Where files come to stand on a real file system."""

from pathlib import Path

import pytest

from skypanel.domain.limits import GIB, MIB
from skypanel.launcher.disks import LoopDisk, opened
from skypanel.launcher.spreading import spread
from tests.fixtures.launcher import MODES

FOLDERS = 24
# Of an image that `mkfs` makes: sixteen groups of 16,384 inodes, which its allocator takes together.
INODES = 16 * 16_384


def neighbourhoods(parent):
    """Make folders, each with a file in it, and return in how many parts of the disk they stand."""
    found = set()
    for number in range(FOLDERS):
        folder = parent / f"slug-{number}"
        folder.mkdir()
        (folder / "file").touch()
        found.add(((folder / "file").stat().st_ino - 1) // INODES)
    return len(found)


# Mounting an image is root's.
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode == "root"])
async def test_what_is_made_in_a_spread_folder_stands_far_from_each_other(tmp_path, mode):
    async with opened(LoopDisk(tmp_path / "disk.img", tmp_path / "disk", 16 * GIB, 0)) as disk:
        near, far = disk.path / "near", disk.path / "far"
        for folder in (near, far):
            folder.mkdir()
        spread(far)
        assert neighbourhoods(near) == 1
        assert neighbourhoods(far) > 3


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode == "root"])
@pytest.mark.parametrize(
    ("files", "size", "lasts"), [(1000, 32 * MIB, True), (1000, 48 * MIB, False), (1500, 32 * MIB, False)], ids=["fits", "resized", "many"]
)
async def test_what_lasts_is_of_its_size_and_of_so_many_files(tmp_path, mode, files, size, lasts):
    async with opened(LoopDisk(tmp_path / "disk.img", tmp_path / "disk", 32 * MIB, 0, 8 * MIB)) as disk:
        for number in range(files):
            (disk.path / f"file-{number}").touch()
    async with opened(LoopDisk(tmp_path / "disk.img", tmp_path / "disk", size, 0, 8 * MIB)) as disk:
        assert (disk.path / "file-0").exists() is lasts


def test_other_file_systems_do_as_they_please():
    spread(Path("/dev/shm"))
