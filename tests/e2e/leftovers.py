"""What a panel that was stopped still holds of the machine: it should be nothing."""

import json
import subprocess
from pathlib import Path

APP_UIDS = 65536


def leftovers(home: Path) -> list[str]:
    """Return a line for everything that carries a panel's name, by its home's panel.json."""
    chosen = json.loads((home / "panel.json").read_text())
    tag = Path(chosen["run_dir"]).name.rpartition("-")[2]
    return [
        *_processes(home, chosen["uid_base"]),
        *(f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if str(home) in line),
        *(f"link {path.name}" for path in Path("/sys/class/net").iterdir() if tag[:6] in path.name),
        *(f"nft {line}" for line in _nft_tables() if tag in line),
        *(f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"*/skypanel-{tag}/*") if path.is_dir()),
        *(f"loop {text}" for text in _loops() if str(home) in text),
        *(f"socket folder {chosen['run_dir']}" for _ in range(Path(chosen["run_dir"]).exists())),
    ]


def _processes(home: Path, uid_base: int) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                uid = folder.stat().st_uid
            except OSError:
                continue
            if str(home) in command or uid_base <= uid < uid_base + APP_UIDS:
                found.append(f"process {folder.name}: {command}")
    return found


def _nft_tables() -> list[str]:
    return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout.splitlines()


def _loops() -> list[str]:
    texts = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            texts.append(path.read_text())
        except OSError:
            continue
    return texts
