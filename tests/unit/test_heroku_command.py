"""The process of `skypanel heroku` that runs the CLI."""

import subprocess
import sys

PROGRAM = """
import asyncio, os, sys
from skypanel.cli import heroku
sys.exit(asyncio.run(heroku._child(["bash", "-c", sys.argv[1]], os.environ)))
"""


def run(script):
    return subprocess.run([sys.executable, "-c", PROGRAM, script], timeout=60, check=False).returncode


def test_a_signal_right_after_the_start_reaches_the_cli_too():
    assert run("kill -TERM $PPID; sleep 30") == 128 + 15


def test_the_cli_may_handle_the_signal():
    assert run("trap 'exit 3' TERM; kill -TERM $PPID; for _ in $(seq 300); do sleep 0.1; done") == 3


def test_a_control_c_is_left_to_the_cli():
    assert run("kill -INT $PPID; exit 4") == 4
