"""Runs what failed a second time, one test after another with nothing beside it.

Nine thousand tests with real daemons share two processors. A test that passes alone, after it failed beside others,
says how busy the machine was; it is named in the output, to be mended. Unit tests start no daemons: they get no second run.

Usage: python -m tests.support.second_run STATUS, in the folder of the first run, with its exit status.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")
# More failures than these have a cause of their own.
MOST_FILES = 10


def main() -> int:
    status = int(sys.argv[1])
    failed = sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []
    files = sorted({name.partition("::")[0] for name in failed})
    if status != pytest.ExitCode.TESTS_FAILED or not may_run_again(files):
        return status
    say("These tests failed beside others; they run again alone:", failed)
    again = subprocess.run([sys.executable, "-m", "pytest", "--last-failed", *files], check=False).returncode
    if again == pytest.ExitCode.OK:
        say("These tests failed beside others and passed alone. Find out why:", failed)
    return again


def may_run_again(files: list[str]) -> bool:
    """Return whether failures of these files may come from a busy machine."""
    return 0 < len(files) <= MOST_FILES and not any(file.startswith("tests/unit/") for file in files)


def say(heading: str, tests: list[str]) -> None:
    sys.stdout.write("\n".join(["", heading, *tests, ""]))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
