"""A machine with Docker and an SSH server, and files of its own: what an administrator adds as a node."""

import socket
import subprocess
import time
from pathlib import Path

from tests.docker_fixture import Node

START_S = 20.0
# What is written there is in the machine's memory alone, and gone with it. Its Docker is where every machine's is.
FILES = """
set -e
for folder in etc opt var/lib var/log; do
  mkdir -p /run/files/$folder/upper /run/files/$folder/work
  mount -t overlay overlay -o lowerdir=/$folder,upperdir=/run/files/$folder/upper,workdir=/run/files/$folder/work /$folder
done
ln -s "$1" /run/docker.sock
mkdir -p /run/sshd
rm -rf /opt/* /etc/skypanel
"""
CONFIG = """
ListenAddress {address}:22
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""


class Machine:
    """A node of a Docker fixture that can be logged in to as root, with `key`."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node = node
        self.address = node.address
        folder.mkdir()
        for name in ("key", "host_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        self.key = (folder / "key").read_text()
        (folder / "config").write_text(CONFIG.format(address=node.address, folder=folder))
        self.run("sh", "-c", FILES, "files", str(node.socket))
        with (folder / "log").open("wb") as log:
            self._sshd = subprocess.Popen(self._inside("/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "config")), stderr=log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._sshd.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.02)

    def run(self, *argv: str) -> str:
        """Run a command on the machine, as root."""
        done = subprocess.run(self._inside(*argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}"
        return done.stdout

    def remove(self) -> None:
        self._sshd.kill()
        self._sshd.wait()

    def _inside(self, *argv: str) -> list[str]:
        first = Path(f"/proc/{self.node.pid}/task/{self.node.pid}/children").read_text().split()[0]
        return ["nsenter", f"--target={first}", "--net", "--mount", "--uts", "--ipc", "--pid", *argv]

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.address, 22), 1).close()
        except OSError:
            return False
        return True
