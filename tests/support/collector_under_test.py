"""A program that collects the output of a panel's dynos like the panel's own collector: DOCKER_HOST PANEL LOGS."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from workers.collector import collect


@contextmanager
def collecting(docker_host: str, panel: str, logs: Path):
    """Run a collector while the block runs, and kill it at the end."""
    logs.mkdir(exist_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "tests.support.collector_under_test", docker_host, panel, str(logs)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    collect(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
