"""Other machines: namespaces with a network, processes and temporary folders of their own."""

import asyncio
import os
import signal
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

from tests.docker_fixture import Bridge

SHARED = "/mnt"
# Nothing that this machine writes is seen there, but for the one folder that is shared; the program lies where it does here.
BOOT = f"""
set -e
mount --bind "$1" {SHARED}
shift
mount -t proc proc /proc
mount --bind "$PWD" /media
for folder in /tmp /var/tmp /run /var/lib/skypanel; do [ ! -d $folder ] || mount -t tmpfs tmpfs $folder; done
mkdir -p "$PWD"
mount --bind /media "$PWD"
cd "$PWD"
hostname "$1"
shift
echo ready
read -r _
exec "$@" </dev/null
"""
NAMESPACES = ("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL")


class Machine:
    """A machine that runs one command."""

    def __init__(self, bridge: Bridge, number: int, shared: Path, argv, environment, log: Path) -> None:  # noqa: PLR0917 - all of a machine
        self.log = log
        command = ("setpriv", "--pdeathsig", "KILL", *NAMESPACES, "/bin/sh", "-c", BOOT, "sh", str(shared), f"machine{number}", *argv)
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output)
        assert self.process.stdout.readline() == b"ready\n", log.read_text()
        link, address = f"{bridge.name}m{number}", bridge.subnet[100 + number]
        _call("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self.process.pid))
        _call("ip", "link", "set", link, "master", bridge.name, "up")
        batch = f"link set lo up\naddress add {address}/{bridge.subnet.prefixlen} dev eth0\nlink set eth0 up\n"
        _call("nsenter", f"--net=/proc/{self.process.pid}/ns/net", "ip", "-batch", "-", input=batch)
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def command_line(self) -> str:
        return Path(f"/proc/{self.process.pid}/cmdline").read_text()

    def environment(self) -> dict[str, str]:
        """Return the environment of the command, as it is now."""
        (command,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        words = Path(f"/proc/{command}/environ").read_bytes().decode().split("\0")
        return dict(word.split("=", 1) for word in words if "=" in word)

    def kill(self) -> None:
        """End all that runs there, at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@asynccontextmanager
async def forwarded(address: str, path: Path):
    """Have a port at an address lead to a unix socket, and tell which port."""

    async def pump(reader, writer):
        try:
            while body := await reader.read(65536):
                writer.write(body)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connect(reader, writer):
        there, back = await asyncio.open_unix_connection(path)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(connect, address, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _call(*argv: str, **options) -> None:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}"


def clean_environment(**variables: str) -> dict[str, str]:
    """Return an environment that tells nothing of this machine's panel."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **variables}
