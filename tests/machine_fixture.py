"""Machines as an administrator adds them as nodes: with Docker, or with nothing but Debian and an SSH server."""

import fcntl
import hashlib
import itertools
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.docker_fixture import Bridge, Node
from tests.small_image import CACHE

START_S = 20.0
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
ROOT = (
    "mmdebstrap",
    "--quiet",
    "--variant=apt",
    "--mode=root",
    "--include=openssh-server,ca-certificates,iproute2,mount,procps",
    "bookworm",
)
# The first process of a machine with a root of its own; what this machine's kernel refuses is not asked for.
BOOT = """
set -e
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --rbind /dev dev
mkdir -p /run/cgroup
mount -t tmpfs tmpfs run
mkdir run/cgroup run/sshd
mount --rbind /sys/fs/cgroup run/cgroup
mount -t sysfs sysfs sys
mount --move run/cgroup sys/fs/cgroup
cat /etc/resolv.conf >etc/resolv.conf
mkdir -p etc/docker
echo '{"oom-score-adjust": 0}' >etc/docker/daemon.json
hostname bare
pivot_root . mnt
umount -l /mnt
echo ready
read -r _
/usr/sbin/sshd -D -e -f /root/sshd_config </dev/null >/dev/null &
wait $!
"""
_NUMBERS = itertools.count(200)
NAMESPACES = ("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL")
# What is written there is in the machine's memory alone, and gone with it. Its Docker is where every machine's is.
FILES = """
set -e
for folder in etc opt var/lib var/log; do
  mkdir -p /run/files/$folder/upper /run/files/$folder/work
  mount -t overlay overlay -o lowerdir=/$folder,upperdir=/run/files/$folder/upper,workdir=/run/files/$folder/work /$folder
done
ln -sf "$1" /run/docker.sock
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
        while not _answers(self.address):
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


class BareMachine:
    """A machine of a Docker fixture's network with Debian and an SSH server, which lets root in with `key`."""

    def __init__(self, bridge: Bridge, folder: Path, number: int | None = None) -> None:
        # Never the address of one that is gone: others would look for that at its old interface.
        number = number or next(_NUMBERS)
        self.address = str(bridge.subnet[number])
        folder.mkdir()
        self.root = folder / "root"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
        self.key = (folder / "key").read_text()
        self.root.mkdir()
        subprocess.run(["tar", "-xf", _bare_root(), "-C", self.root], check=True)
        shutil.copy(folder / "key.pub", self.root / "root" / "key.pub")
        config = CONFIG.format(address=self.address, folder="/root").replace("/root/host_key", "/etc/ssh/ssh_host_ed25519_key")
        (self.root / "root" / "sshd_config").write_text(config)
        self.log = folder / "log"
        argv = ("setpriv", "--pdeathsig", "KILL", *NAMESPACES, "/bin/sh", "-c", BOOT, "sh", str(self.root))
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env={"PATH": PATH})
        try:
            self._begin(bridge, number)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """End all that runs there, and remove its files."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        with self._process.stdout as stdout:
            stdout.read()
        shutil.rmtree(self.root)

    def _begin(self, bridge: Bridge, number: int) -> None:
        assert self._process.stdout.readline() == b"ready\n", self.log.read_text()
        self._plug_in(bridge, number)
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()
        deadline = time.monotonic() + START_S
        while not _answers(self.address):
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def _plug_in(self, bridge: Bridge, number: int) -> None:
        link = f"{bridge.name}{number}"
        _call("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self._process.pid))
        _call("ip", "link", "set", link, "master", bridge.name, "up")
        batch = (
            f"link set lo up\naddress add {self.address}/{bridge.subnet.prefixlen} dev eth0\n"
            f"link set eth0 up\nroute add default via {bridge.address}\n"
        )
        _call("nsenter", f"--net=/proc/{self._process.pid}/ns/net", "ip", "-batch", "-", input=batch)


def _answers(address: str) -> bool:
    try:
        socket.create_connection((address, 22), 1).close()
    except OSError:
        return False
    return True


def _call(*argv: str, **options) -> None:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}"


def _bare_root() -> Path:
    """Return a tar of the machine's files, made once a machine."""
    tag = hashlib.sha256("\n".join(ROOT).encode()).hexdigest()[:12]
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"bare-{tag}.tar"
    with (CACHE / f"bare-{tag}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                subprocess.run(ROOT, check=True, stdout=file, env={**os.environ, "TMPDIR": "/var/tmp"})
            part.rename(path)
    return path
