"""Collects what the dynos of a panel print, as the panel's own collector does: DOCKER_HOST PANEL LOGS."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from workers.collector import collect


@contextmanager
def collecting(docker_host: str, panel: str, logs: Path):
    """Collect for the length of the block; its end is sudden."""
    logs.mkdir(exist_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "tests.support.collector_under_test", docker_host, panel, str(logs)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    collect(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
