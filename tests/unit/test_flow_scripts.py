"""Scripts of the slug compiler that need no sandbox."""

import re
import subprocess

import pytest

from skypanel.domain.limits import MIB
from skypanel.flow import scripts


@pytest.mark.parametrize(
    ("max_bytes", "max_files", "empties"), [(MIB, 10, False), (MIB // 4, 10, True), (MIB, 4, True)], ids=["fits", "bytes", "files"]
)
def test_a_folder_with_too_many_bytes_or_files_is_emptied(tmp_path, max_bytes, max_files, empties):
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    for number in range(4):
        (sealed / f"file {number}").write_bytes(b"x" * (MIB // 8))
    sealed.chmod(0o500)  # as the modules of Go are
    done = subprocess.run(
        ["bash", "-c", scripts.BOUND, "bound", str(tmp_path), str(max_bytes), str(max_files)], text=True, capture_output=True, check=True
    )
    assert (list(tmp_path.iterdir()) == []) is empties
    assert bool(re.fullmatch(r"\d{6} 6\n", done.stdout)) is empties
