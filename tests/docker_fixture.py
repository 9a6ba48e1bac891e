"""A real Docker daemon in Swarm mode, in namespaces of its own, and more nodes where a test asks for them.

A daemon's bridges, rules, mounts and processes are in its namespaces and go with them, so that several
daemons, and whatever else this machine runs, never meet. The host reaches a node by its address on a
bridge, and at that address the ports that its containers publish.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import DockerException

PREFIX = "skn"
BASES = Path("/var/tmp")
CGROUPS = Path("/sys/fs/cgroup")
START_S = 60.0
END_S = 20.0
LAST_LINES = 30
CLIENT_TIMEOUT_S = 120
SUBNETS = tuple(IPv4Network("192.168.0.0/16").subnets(new_prefix=24))
SWARM_POOL = "10.40.0.0/14"
SWARM_PORT = 2377
# The first process of a node's namespaces: it collects orphans, and with it all of them end. All hold its stdout.
BOOT = """
set -e
name=$1 folder=$2
shift 2
hostname "$name"
mount -t proc proc /proc
mkdir -p "$folder/cgroup"
mount --rbind /sys/fs/cgroup "$folder/cgroup"
mount -t sysfs sysfs /sys
mount --move "$folder/cgroup" /sys/fs/cgroup
mount -t tmpfs tmpfs /run
ln -s "$folder/docker.sock" /run/docker.sock
echo ready
read -r _
"$@" </dev/null 3>&1 >&2 &
wait $!
"""


class Node:
    """One daemon. `kill` is a machine's sudden death, and `start` after it the machine that comes back with its disk."""

    def __init__(self, bridge: "Bridge", number: int, name: str) -> None:
        self.name = name
        self.address = str(bridge.subnet[10 + number])
        self.base = bridge.base / f"n{number}"
        self.base.mkdir()
        self.socket = self.base / "docker.sock"
        self.url = f"unix://{self.socket}"
        self.client = DockerClient(base_url=self.url, version="1.41", timeout=CLIENT_TIMEOUT_S)
        self._bridge = bridge
        self._link = f"{bridge.name}{number}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """A process that holds the node's network namespace, for `nsenter`."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    def start(self) -> None:
        """Start the daemon and wait until it answers. It ends with the thread that starts it."""
        with (self.base / "log").open("ab") as log:
            self._process = subprocess.Popen(self._argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout.readline() == b"ready\n", self.log()
        self._plug_in()
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, f"dockerd ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"dockerd does not answer:\n{self.log()}"
            time.sleep(0.02)

    def call(self, *argv: str, **options) -> subprocess.CompletedProcess[str]:
        """Run a command of this machine's in the node's network."""
        return _call("nsenter", f"--net=/proc/{self.pid}/ns/net", *argv, **options)

    def begin_swarm(self) -> None:
        """Make the node the first manager of a swarm."""
        self.client.swarm.init(
            advertise_addr=self.address, listen_addr=f"{self.address}:{SWARM_PORT}", default_addr_pool=[SWARM_POOL], subnet_size=24
        )

    def join(self, manager: "Node", role: str = "Worker") -> None:
        """Become a member of a manager's swarm; the role is Worker or Manager."""
        manager.client.swarm.reload()
        token = manager.client.swarm.attrs["JoinTokens"][role]
        own = f"{self.address}:{SWARM_PORT}"
        self.client.swarm.join([f"{manager.address}:{SWARM_PORT}"], token, listen_addr=own, advertise_addr=self.address)

    def kill(self) -> None:
        """End the daemon, its containers and its network at once."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        with self._process.stdout as stdout:
            stdout.read()
        self._process = None

    def remove(self) -> None:
        self.client.close()
        self.kill()

    def log(self) -> str:
        """Return the end of what the daemon said."""
        return "\n".join((self.base / "log").read_text(errors="replace").splitlines()[-LAST_LINES:])

    def _argv(self) -> list[str]:
        namespaces = ("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL")
        return [
            *("setpriv", "--pdeathsig", "KILL", *namespaces, "/bin/sh", "-c", BOOT, "sh", self.name, str(self.base)),
            *("dockerd", f"--host={self.url}", f"--data-root={self.base}/data", "--oom-score-adjust=0", "--bip=172.19.0.1/24"),
            *("--default-address-pool=base=172.20.0.0/14,size=24", "--exec-opt=native.cgroupdriver=cgroupfs"),
            f"--cgroup-parent=/{self._bridge.name}",
        ]

    def _plug_in(self) -> None:
        """Lay a cable from the bridge into the node; the one of a node that was killed goes with it."""
        if Path("/sys/class/net", self._link).exists():
            _call("ip", "link", "delete", self._link)
        _call("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        _call("ip", "link", "set", self._link, "master", self._bridge.name, "up")
        batch = (
            "link set lo up\n"
            f"address add {self.address}/{self._bridge.subnet.prefixlen} dev eth0\n"
            "link set eth0 up\n"
            f"route add default via {self._bridge.address}\n"
        )
        self.call("ip", "-batch", "-", input=batch)

    def _answers(self) -> bool:
        """Whether the daemon serves; the client is kept off a socket where nobody listens, as it would leave its own open."""
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.socket)) != 0:
                return False
        try:
            return self.client.ping()
        except (DockerException, OSError):
            return False


class Bridge:
    """What the nodes of one fixture share: a folder, a bridge of this machine's, and a way out to the internet."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        with _turn():
            _sweep()
            self.base = Path(tempfile.mkdtemp(prefix=PREFIX, dir=BASES))
            self.name = self.base.name
            self._owner = _lock(self.base)
            self.subnet = _free_subnet()
            _call("ip", "link", "add", self.name, "type", "bridge")
            _call("ip", "address", "add", f"{self.subnet[1]}/{self.subnet.prefixlen}", "dev", self.name)
        _call("ip", "link", "set", self.name, "up")
        for table, *rule in _rules(self.name, self.subnet):
            _call("iptables", "--wait", "-t", table, "-I", *rule)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    @property
    def address(self) -> str:
        """This machine, as nodes and their containers see it."""
        return str(self.subnet[1])

    def node(self, name: str | None = None) -> Node:
        """Start one more daemon, no member of anything. Fails with its last lines."""
        number = len(self.nodes) + 1
        node = Node(self, number, name or f"node{number}")
        self.nodes.append(node)
        node.start()
        return node

    def remove(self) -> None:
        for node in self.nodes:
            node.remove()
        _clear(self.base)
        os.close(self._owner)


class Docker:
    """A swarm: its first manager, and more nodes on demand."""

    def __init__(self) -> None:
        self.bridge = Bridge()
        try:
            self.manager = self.bridge.node("manager")
            self.manager.begin_swarm()
        except BaseException:
            self.bridge.remove()
            raise

    @property
    def socket(self) -> Path:
        return self.manager.socket

    @property
    def url(self) -> str:
        return self.manager.url

    @property
    def client(self) -> DockerClient:
        return self.manager.client

    @property
    def address(self) -> str:
        """The manager's, where the host finds the ports its containers publish."""
        return self.manager.address

    def add_node(self, name: str | None = None) -> Node:
        """Start one more daemon and join it to the swarm."""
        node = self.bridge.node(name)
        node.join(self.manager)
        return node

    def remove(self) -> None:
        self.bridge.remove()


def run_in(container, *argv: str) -> int:
    """Run a command in a container and return its status; the SDK would leave the socket of its output open."""
    client = container.client.api
    made = client.exec_create(container.id, argv, stdout=False, stderr=False)
    client.exec_start(made["Id"], detach=True)
    while (found := client.exec_inspect(made["Id"]))["Running"] or found["ExitCode"] is None:
        time.sleep(0.02)
    return found["ExitCode"]


@contextmanager
def running_docker() -> Iterator[Docker]:
    """Have a swarm of one manager for the length of the block."""
    assert os.geteuid() == 0, "A Docker daemon needs root: run the tests as root."
    made = Docker()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def swarm() -> Iterator[Docker]:
    """One for each module; tests use names of their own in it."""
    with running_docker() as made:
        yield made


def _call(*argv: str, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}"
    return done


def _lock(folder: Path) -> int:
    """Take a lock that goes with this process. Raises BlockingIOError where another has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _turn() -> Iterator[None]:
    """Be the only one on this machine that makes or removes a bridge."""
    with (BASES / f"{PREFIX}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _free_subnet() -> IPv4Network:
    lines = _call("ip", "-4", "route").stdout.splitlines()
    taken = [IPv4Network(word) for line in lines if (word := line.split()[0])[0].isdigit()]
    return next(subnet for subnet in SUBNETS if not any(subnet.overlaps(other) for other in taken))


def _rules(bridge: str, subnet: IPv4Network) -> tuple[tuple[str, ...], ...]:
    """Return table and rule of what lets packets pass, whatever this machine's firewall says."""
    mark = ("-m", "comment", "--comment", bridge)
    return (
        ("filter", "FORWARD", "-i", bridge, *mark, "-j", "ACCEPT"),
        ("filter", "FORWARD", "-o", bridge, *mark, "-j", "ACCEPT"),
        ("nat", "POSTROUTING", "-s", str(subnet), "!", "-o", bridge, *mark, "-j", "MASQUERADE"),
    )


def _sweep() -> None:
    """Remove what test runs left behind that were killed."""
    for base in BASES.glob(f"{PREFIX}????????"):
        # one that goes meanwhile is being removed by its owner
        with suppress(BlockingIOError, FileNotFoundError):
            owner = _lock(base)
            _clear(base)
            os.close(owner)


def _clear(base: Path) -> None:
    """Remove the rules, the bridge, the cgroups and the folder of nodes that no longer run."""
    for table in ("filter", "nat"):
        for line in _call("iptables", "--wait", "-t", table, "-S").stdout.splitlines():
            if line.startswith("-A ") and base.name in line.split():
                _call("iptables", "--wait", "-t", table, "-D", *line.split()[1:])
    if Path("/sys/class/net", base.name).exists():
        _call("ip", "link", "delete", base.name)
    deadline = time.monotonic() + END_S
    while groups := [path for path in _cgroups(base.name) if not _is_removed(path)]:
        assert time.monotonic() < deadline, f"still in use: {groups}"
        time.sleep(0.02)
    shutil.rmtree(base)


def _cgroups(name: str) -> list[str]:
    """Return all cgroups below a name, the lowest first."""
    return [folder for group in CGROUPS.glob(f"*/{name}") for folder, *_ in os.walk(group, topdown=False)]


def _is_removed(cgroup: str) -> bool:
    try:
        os.rmdir(cgroup)  # noqa: PTH106 - as os.walk names it
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
