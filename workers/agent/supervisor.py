"""Keeps the agent running on machines without systemd."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Optional

LOCK = Path("/run/skypanel-agent.lock")
LOG = Path("/var/log/skypanel-agent.log")
RESTART_S = 2.0
MAX_LOG_BYTES = 10 * 1024 * 1024


def start(config: str) -> None:
    """Start a supervisor for the agent as a daemon. It replaces a running one."""
    stop()
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    with open(os.devnull, "r+b") as null:
        os.dup2(null.fileno(), 0)
    lock = _lock()
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    _supervise([sys.executable, os.path.abspath(sys.argv[0]), "run", config])


def _supervise(argv: list[str]) -> None:
    child: Optional[subprocess.Popen] = None  # type: ignore[type-arg] # Python 3.9 evaluates it

    def end(*_: object) -> None:
        if child is not None:
            child.kill()
        os._exit(0)

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    while True:
        if LOG.exists() and LOG.stat().st_size > MAX_LOG_BYTES:
            LOG.replace(LOG.with_suffix(".log.1"))
        with LOG.open("ab") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            child = subprocess.Popen(argv)
        child.wait()
        time.sleep(RESTART_S)


def stop() -> None:
    """Stop the supervisor and its agent, if they run."""
    lock = _lock()
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(lock, 20, 0).strip()
                if pid.isdigit():
                    os.kill(int(pid), signal.SIGTERM)
                time.sleep(0.1)
            else:
                return
    finally:
        os.close(lock)


def _lock() -> int:
    return os.open(str(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
