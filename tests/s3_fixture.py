"""A real S3 endpoint of a test's own: `rclone serve s3` on a free port, over a folder, with random keys."""

import csv
import io
import os
import secrets
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from skypanel.domain.storage import Storage, StorageKind
from tests.proxy_fixture import free_ports

BUCKET = "objects"
START_S = 20.0


class S3Server:
    """An endpoint that a test may stop and start again, on the same port with what it holds."""

    def __init__(self, folder: Path, certificate: tuple[Path, Path] | None = None) -> None:
        """Make one; with a certificate and its key it speaks TLS, to whoever asks for `localhost`."""
        self.folder = folder
        self._certificate = certificate
        (folder / BUCKET).mkdir(parents=True)
        self._port = free_ports(1)[0]
        origin = "https://localhost" if certificate else "http://127.0.0.1"
        self.storage = Storage(
            StorageKind.S3, f"{origin}:{self._port}", "us-east-1", BUCKET, "panel", secrets.token_hex(10), secrets.token_hex(20)
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        keys = io.StringIO()
        csv.writer(keys, quoting=csv.QUOTE_ALL).writerow([f"{self.storage.access_key},{self.storage.secret_key}"])
        rclone = Path(sysconfig.get_path("scripts")) / "rclone"
        argv = ["setpriv", "--pdeathsig", "KILL", rclone, "serve", "s3", "--config", "", "--addr", f"127.0.0.1:{self._port}", self.folder]
        if self._certificate:
            argv += ["--cert", self._certificate[0], "--key", self._certificate[1]]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "RCLONE_AUTH_KEY": keys.getvalue().strip()}
            self._process = subprocess.Popen([str(word) for word in argv], env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, "rclone ended"
            assert time.monotonic() < deadline, "rclone does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Have it take connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def but_with(self, **changes: str) -> Storage:
        return replace(self.storage, **changes)

    def client(self) -> Any:
        """A client to look behind the driver's back."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.storage.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.storage.access_key,
            aws_secret_access_key=self.storage.secret_key,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def files(self) -> list[Path]:
        """All that it keeps, halves of uploads too."""
        return [path for path in (self.folder / BUCKET).rglob("*") if path.is_file()]

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    server = S3Server(tmp_path / "s3")
    try:
        server.start()
        yield server
    finally:
        server.stop()
