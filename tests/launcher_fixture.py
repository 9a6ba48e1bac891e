"""A real launcher in a home of its own; as root also one that is not, so that tests show both to be the same."""

import hashlib
import io
import itertools
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from random import SystemRandom
from uuid import uuid4

import pytest

from skypanel.domain.app import App
from skypanel.domain.limits import MIB, Limits
from skypanel.domain.manifest import Manifest, Process
from skypanel.domain.plan import FIRST_PLANS, Plan
from skypanel.drivers.sandbox.builder import BubblewrapBuilder
from skypanel.drivers.sandbox.launcher import Launcher
from skypanel.drivers.sandbox.scheduler import ProcessScheduler
from skypanel.embedded.choices import pick_uid_base
from skypanel.host import connection_limit as door
from skypanel.host import firewall, strays
from tests.fakes import FakeObjects

ROOT = Path(__file__).parent.parent
START_S = 20.0
NUMBERS = itertools.count(1)
STOP_GRACE_S = 3.0
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/app"}
# Answers every request with its environment's GREETING, once it has slept for BOOT_S.
SERVER = """\
import http.server, os, socket, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get("GREETING", "hello").encode())

    def log_message(self, *arguments):
        pass

print("serving", flush=True)
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in os.environ.get("ADDRESS", "") else socket.AF_INET

Server((os.environ.get("ADDRESS", "0.0.0.0"), int(os.environ["PORT"])), Handler).serve_forever()
"""


class ClientAs(Launcher):
    """Connects as another user, as the panel does that runs as who called it."""

    def __init__(self, path: Path, uid: int) -> None:
        super().__init__(path)
        self._uid = uid

    @asynccontextmanager
    async def connect(self):
        caller = os.geteuid()
        async with AsyncExitStack() as stack:
            os.seteuid(self._uid)
            try:
                connection = await stack.enter_async_context(super().connect())
            finally:
                os.seteuid(caller)
            yield connection


class RunningLauncher:
    """A launcher's process, what it was told, and clients of it."""

    def __init__(self, *, root: bool, allow: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> None:
        random = SystemRandom()
        self.root = root
        self.base = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
        self.base.chmod(0o755)
        self.home, self.run_dir = self.base / "home", self.base / "run"
        self.uid_base = pick_uid_base()
        self.subnet = f"10.{random.randrange(64, 250)}.{random.choice((0, 64, 128, 192))}.0/18"
        self.panel_uid = 0 if root else self._unprivileged_uid(random)
        self.allow, self.options = allow, options
        self.tag = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:8]
        self.process: subprocess.Popen[bytes] | None = None
        for folder in (self.home, self.run_dir):
            folder.mkdir(mode=0o711)
            os.chown(folder, self.panel_uid, -1)

    @staticmethod
    def _unprivileged_uid(random: SystemRandom) -> int:
        return random.randrange(61_000, 64_000) if os.geteuid() == 0 else os.geteuid()

    @property
    def socket(self) -> Path:
        return self.run_dir / "launcher.sock"

    @property
    def client(self) -> Launcher:
        return ClientAs(self.socket, self.panel_uid)

    @property
    def plan(self) -> firewall.Plan:
        return firewall.Plan(self.tag, IPv4Network(self.subnet))

    @property
    def builder(self) -> BubblewrapBuilder:
        return BubblewrapBuilder(self.client)

    def scheduler(self, objects: FakeObjects, stop_grace_s: float = STOP_GRACE_S) -> ProcessScheduler:
        return ProcessScheduler(self.client, objects, stop_grace_s)

    def log(self, app_id, dyno: str) -> str:
        path = self.home / "logs" / str(app_id) / f"{dyno}.log"
        return path.read_text() if path.exists() else ""

    def argv(self) -> list[str]:
        launcher = [
            *(sys.executable, "-m", "skypanel.launcher", "--home", str(self.home), "--run-dir", str(self.run_dir)),
            *("--uid-base", str(self.uid_base), "--subnet", self.subnet, "--panel-uid", str(self.panel_uid)),
            *("--stop-grace", str(STOP_GRACE_S), "--allow", *self.allow, *self.options),
        ]
        if self.root or os.geteuid() != 0:
            return launcher
        uid = str(self.panel_uid)
        return [
            "unshare",
            "--mount",
            "sh",
            "-c",
            self._open_tun(),
            "sh",
            "setpriv",
            "--reuid",
            uid,
            "--regid",
            uid,
            "--clear-groups",
            *launcher,
        ]

    def _open_tun(self) -> str:
        """Have /dev/net/tun open to everybody, as udev does it, where this machine has not."""
        node = self.base / "tun"
        if not node.exists():
            os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
            node.chmod(0o666)
        return f'mount --bind {node} /dev/net/tun && exec "$@"'

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        # As a shell starts it that has no job control, or `nohup`: what is ignored is inherited.
        unheeding = ("env", "--ignore-signal=HUP", "--ignore-signal=INT", "--ignore-signal=QUIT")
        self.process = subprocess.Popen(
            [*unheeding, *self.argv()],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_S
        while not self._listens():
            assert self.process.poll() is None, f"the launcher ended with status {self.process.returncode}"
            assert time.monotonic() < deadline, "the launcher does not listen"
            time.sleep(0.01)

    def _listens(self) -> bool:
        """Whether somebody is there: a socket of a launcher that was killed stays."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    @property
    def pid(self) -> int:
        """The process that takes connections, as the kernel says of the socket's other end (unix(7), SO_PEERCRED)."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.socket))
            return struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))[0]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal, and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        for argv, stdin in (*strays.undoing(self.plan), *door.undoing(self.tag)) if self.root else ():
            subprocess.run(argv, check=False, input=stdin, text=True, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.base)


@contextmanager
def running_launcher(*, root: bool, allow: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> Iterator[RunningLauncher]:
    """Have a launcher for the length of the block."""
    launcher = RunningLauncher(root=root, allow=allow, options=options)
    try:
        launcher.start()
        yield launcher
    finally:
        launcher.remove()


MODES = ("root", "rootless") if os.geteuid() == 0 else ("rootless",)


@pytest.fixture(scope="module", params=MODES)
def launcher(request) -> Iterator[RunningLauncher]:
    """One for each module; tests use apps of their own in it."""
    with running_launcher(root=request.param == "root") as made:
        yield made


@pytest.fixture(params=MODES)
def own_launcher(request) -> Iterator[RunningLauncher]:
    """One for a test that ends it, or counts what it holds."""
    with running_launcher(root=request.param == "root") as made:
        yield made


def make_app(number: int | None = None) -> App:
    """Make an app; its number is one that no other test of this process has."""
    offer = FIRST_PLANS[1]
    plan = Plan(uuid4(), offer.name, 1, offer.cpu_cores, offer.memory_bytes, offer.max_replicas, offer.hourly_price)
    return App(uuid4(), next(NUMBERS) if number is None else number, "hello", uuid4(), plan)


def slug(files: Mapping[str, str]) -> bytes:
    """Return a slug with these files."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return subprocess.run(["zstd", "-q"], input=body.getvalue(), stdout=subprocess.PIPE, check=True).stdout


async def stored_slug(objects: FakeObjects, files: Mapping[str, str] | None = None) -> str:
    """Store a slug, by default one with a server in it, and return its digest."""
    return (await objects.add("slugs", chunks(slug({"server.py": SERVER} if files is None else files)))).digest


async def chunks(*bodies: bytes):
    for body in bodies:
        yield body


def make_manifest(app: App, digest: str, commands: Mapping[str, tuple[str, int]], **changes) -> Manifest:
    """Make a manifest of type -> (command, quantity)."""
    values = {
        "version": 1,
        "generation": app.generation,
        "limits": Limits(cpu_cores=1.0, memory_bytes=128 * MIB, pids=64, disk_bytes=64 * MIB),
        "config_vars": {},
        **changes,
    }
    processes = tuple(Process(name, command, quantity) for name, (command, quantity) in commands.items())
    return Manifest(app.id, app.number, app.name, app.organization_id, uuid4(), slug_digest=digest, processes=processes, **values)
