"""What a panel holds of the machine, by its home's panel.json: nothing once it was stopped, and as much after a build as before."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.journeys.harness import wait_for

APP_UIDS = 65536
CGROUPS = Path("/sys/fs/cgroup")


def expect_nothing_left(home: Path) -> None:
    """Wait until a stopped panel holds nothing: the kernel removes loop devices and control groups after their last user has ended."""
    with suppress(AssertionError):
        wait_for("nothing to be left", lambda: not leftovers(home))
    assert leftovers(home) == []


def leftovers(home: Path) -> list[str]:
    """Return a line for everything that carries a panel's name."""
    chosen = json.loads((home / "panel.json").read_text())
    run_dir = Path(chosen["run_dir"])
    return [
        *(f"process {pid}: {command}" for pid, _, command in _processes() if str(home) in command),
        *(f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if str(home) in line),
        *(f"nft {line}" for line in _nft_tables() if _tag(chosen) in line),
        *(f"route {line}" for line in _routes(chosen["subnet"])),
        *(f"socket folder {run_dir}" for _ in range(run_dir.exists())),
        *sandboxes(home),
    ]


def sandboxes(home: Path) -> list[str]:
    """Return a line for everything that builds and dynos have."""
    chosen = json.loads((home / "panel.json").read_text())
    tag, first = _tag(chosen), chosen["uid_base"]
    return [
        *(f"process {pid}: {command}" for pid, uid, command in _processes() if first <= uid < first + APP_UIDS),
        *(f"link {path.name}" for path in Path("/sys/class/net").iterdir() if tag[:6] in path.name),
        *(f"cgroup {path}" for depth in ("", "*/") for path in CGROUPS.glob(f"{depth}skypanel-{tag}/*") if path.is_dir()),
        *(f"loop {text}" for text in _loops() if str(home) in text),
        *(f"disk {path.name}" for path in home.glob("launcher/disks/*")),
    ]


def _tag(chosen: dict[str, str]) -> str:
    return Path(chosen["run_dir"]).name.rpartition("-")[2]


def _processes() -> Iterator[tuple[int, int, str]]:
    """Yield the id, user and command line of every process."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                yield int(folder.name), folder.stat().st_uid, command
            except OSError:
                continue


def _nft_tables() -> list[str]:
    return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout.splitlines()


def _routes(subnet: str) -> list[str]:
    return subprocess.run(["ip", "route", "show", "root", subnet], capture_output=True, text=True, check=True).stdout.splitlines()


def _loops() -> list[str]:
    texts = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            texts.append(path.read_text())
        except OSError:
            continue
    return texts
