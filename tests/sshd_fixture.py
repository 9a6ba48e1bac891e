"""A machine to log in to: OpenSSH's sshd on loopback, as whoever runs the tests."""

import getpass
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PRIVILEGE_SEPARATION = Path("/run/sshd")  # Debian's service makes it at its start
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
START_S = 10.0

CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
MaxStartups 100
"""


@dataclass
class Sshd:
    """A server that lets one key in, and may be given another host key."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def key(self) -> str:
        """The private key that is let in."""
        return (self.folder / "key").read_text()

    def new_key(self, name: str, kind: str = "ed25519", passphrase: str = "") -> str:
        """Make a key pair, in the place of one of that name, and return the private one."""
        for file in (self.folder / name, self.folder / f"{name}.pub"):
            file.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", self.folder / name], check=True)
        return (self.folder / name).read_text()

    def start(self) -> None:
        program = shutil.which("sshd", path=PATH)
        assert program, "sshd is missing: sudo apt-get install openssh-server"
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([program, "-D", "-e", "-f", self.folder / "config"], stderr=log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """End it with its connections."""
        if self.process is not None:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            self.process.kill()
            self.process.wait()
            for pid in children:
                subprocess.run(["kill", "-KILL", pid], check=False, stderr=subprocess.DEVNULL)
            self.process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    folder = Path(tempfile.mkdtemp(prefix="skyssh", dir="/var/tmp"))
    PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        server = Sshd(folder, free.getsockname()[1])
    try:
        server.new_key("key")
        shutil.copy(folder / "key.pub", folder / "authorized_keys")
        server.new_key("host_key")
        (folder / "config").write_text(CONFIG.format(port=server.port, folder=folder))
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
