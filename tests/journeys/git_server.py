"""A git server that sandboxes reach as they reach the internet: in a network of its own, at an address of no private range.

Its addresses are those that RFC 5737 keeps for documentation (198.51.100.0/24), so it meets nobody's network.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from random import SystemRandom

from tests.journeys.git_http import LOGIN, PORT
from tests.journeys.harness import wait_for

SERVER = Path(__file__).with_name("git_http.py")
FIRST = IPv4Address("198.51.100.0")
LINKS = 64  # of four addresses each


@dataclass(frozen=True)
class GitServer:
    """Repositories in `root`; those in its folder `private` ask for a login."""

    root: Path
    address: IPv4Address

    def url(self, name: str) -> str:
        return f"http://{self.address}:{PORT}/{name}.git"

    def url_with_login(self, name: str) -> str:
        return self.url(name).replace("://", f"://{':'.join(LOGIN)}@")

    def publish(self, name: str, files: Mapping[str, str]) -> str:
        """Commit a buildpack's files, in a repository that is made where it is missing; return the commit."""
        bare = self.root / f"{name}.git"
        if not bare.exists():
            git("init", "-q", "--bare", "-b", "main", str(bare))
        with tempfile.TemporaryDirectory() as folder:
            git("clone", "-q", str(bare), folder)
            for path, text in files.items():
                file = Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
                file.chmod(0o755)
            git("-C", folder, "add", "-A")
            git("-C", folder, "commit", "-q", "-m", "Publish")
            git("-C", folder, "push", "-q", "origin", "HEAD:main")
            return git("-C", folder, "rev-parse", "HEAD").strip()


@contextmanager
def running_git_server() -> Iterator[GitServer]:
    """Have a server for the length of the block; it takes root."""
    name = f"git{SystemRandom().randbytes(4).hex()}"
    network = FIRST + 4 * SystemRandom().randrange(LINKS)
    root = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
    run("ip", "netns", "add", name)
    try:
        lay_cable(name, network + 1, network + 2)
        with subprocess.Popen(["ip", "netns", "exec", name, sys.executable, SERVER, root, str(network + 2)]) as server:
            try:
                wait_for("the git server", lambda: listens(name))
                yield GitServer(root, network + 2)
            finally:
                server.terminate()
    finally:
        run("ip", "netns", "delete", name)
        shutil.rmtree(root)


def lay_cable(name: str, host: IPv4Address, server: IPv4Address) -> None:
    run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
    run("ip", "address", "add", f"{host}/30", "dev", name)
    run("ip", "link", "set", name, "up")
    run("ip", "-n", name, "address", "add", f"{server}/30", "dev", "eth0")
    run("ip", "-n", name, "link", "set", "eth0", "up")


def listens(name: str) -> bool:
    return f":{PORT}" in run("ip", "netns", "exec", name, "ss", "-Hltn")


def git(*arguments: str) -> str:
    return run("git", "-c", "user.name=Dev", "-c", "user.email=dev@example.com", *arguments)


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE).stdout
