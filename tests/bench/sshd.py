"""The peer of our pushes: C git behind OpenSSH's server, on loopback, with the same kinds of keys."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from skypanel.embedded.packages import SYSTEM_PATH
from tests.journeys.harness import reachable, wait_for
from tests.support.ports import free_ports

PEER = "git over OpenSSH's sshd"
PRIVILEGE_SEPARATION = Path("/run/sshd")  # Debian's service makes it at its start
AT_ONCE = 200

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
PermitUserEnvironment no
PrintMotd no
MaxStartups {at_once}
PerSourceMaxStartups none
# Whatever the shell of whoever runs this reads at its start is no part of the measurement.
SetEnv HOME={folder}
"""


@dataclass(frozen=True)
class Sshd:
    """A running sshd that lets one key in, as whoever runs this."""

    folder: Path
    port: int

    def repository(self, name: str) -> str:
        """Make an empty repository and return its URL."""
        path = self.folder / f"{name}.git"
        subprocess.run(["git", "init", "-q", "--bare", path], check=True)
        return f"ssh://{pwd.getpwuid(os.getuid()).pw_name}@localhost:{self.port}{path}"

    def remove(self, name: str) -> None:
        shutil.rmtree(self.folder / f"{name}.git")


@contextmanager
def running_sshd(folder: Path, public_key: Path) -> Iterator[Sshd]:
    """Start sshd with its files in `folder`; `public_key` may log in."""
    folder.mkdir()
    if os.getuid() == 0:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key"], check=True)
    (folder / "authorized_keys").write_text(public_key.read_text())
    port = free_ports(1)[0]
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder, at_once=AT_ONCE))
    # It starts itself anew for each connection, so it wants to be called by its whole path.
    program = shutil.which("sshd", path=SYSTEM_PATH)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", folder / "config"], stderr=log)
    try:
        wait_for("sshd", lambda: process.poll() is not None or reachable(port))
        assert process.poll() is None, (folder / "log").read_text()
        yield Sshd(folder, port)
    finally:
        process.terminate()
        process.wait(10)
