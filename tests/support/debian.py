"""Debian file systems for tests, as tars."""

import fcntl
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

CACHE = Path("/var/cache/skypanel-tests")


def archive(name: str, command: Sequence[str]) -> Path:
    """Return the tar that a command prints. It is made once per machine and cached under its name."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{name}.tar"
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                subprocess.run(command, check=True, stdout=file, env={**os.environ, "TMPDIR": "/var/tmp"})
            part.rename(path)
    return path
