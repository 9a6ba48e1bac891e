"""A small image for tests: Debian with Python, bash, tini and nftables. It is made once per machine and imported by each daemon."""

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

from docker import DockerClient

CACHE = Path("/var/cache/skypanel-tests")
PACKAGES = ("python3", "bash", "tini", "ca-certificates", "nftables")
ROOT = ("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", f"--include={','.join(PACKAGES)}", "bookworm")
TAG = hashlib.sha256("\n".join(ROOT).encode()).hexdigest()[:12]
NAME = f"skypanel-test:{TAG}"


def small_image(client: DockerClient) -> str:
    """Import the image into a daemon if it lacks it, and return its name."""
    if not client.images.list(NAME):
        with _archive().open("rb") as body:
            client.api.import_image_from_data(body, repository="skypanel-test", tag=TAG)
    return NAME


def _archive() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"small-{TAG}.tar"
    with (CACHE / f"small-{TAG}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                subprocess.run(ROOT, check=True, stdout=file, env={**os.environ, "TMPDIR": "/var/tmp"})
            part.rename(path)
    return path
