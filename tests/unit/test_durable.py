"""What must outlive a loss of power is on the disk before it has its name, and its name is before anything depends on it."""

import stat
import sys

import pytest

from skypanel.drivers.crypto.key_file import KeyFile
from skypanel.embedded import prepare
from skypanel.host.durable import write_whole

NAMES = {"rename", "replace", "fsync"}


def calls(work, *arguments):
    """Return the names of the kernel's calls that matter, in their order."""
    seen = []

    def note(frame, event, called):
        if event == "c_call" and called.__name__ in NAMES and called.__module__ == "posix":
            seen.append(called.__name__)

    sys.setprofile(note)
    try:
        work(*arguments)
    finally:
        sys.setprofile(None)
    return ["rename" if name == "replace" else name for name in seen]


@pytest.fixture
def keys(tmp_path):
    prepare._make_keys(tmp_path)  # noqa: SLF001 - its file is what the others change
    return tmp_path / "encryption.keys"


@pytest.mark.parametrize("work", [KeyFile.add, KeyFile.retire])
def test_keys_are_on_the_disk_when_they_count(keys, work):
    assert calls(work, KeyFile(keys)) == ["fsync", "rename", "fsync"]
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600


def test_a_new_homes_keys_are_too(tmp_path):
    made = calls(prepare._make_keys, tmp_path)  # noqa: SLF001 - a whole home takes much longer
    assert made == ["fsync", "rename", "fsync"] * len(list(tmp_path.iterdir()))


def test_what_a_writer_that_was_killed_left_is_no_hindrance(tmp_path):
    (tmp_path / "a.new").write_text("half")
    write_whole(tmp_path / "a", b"whole")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a", "whole")]
