"""What all sandboxes share of one kernel: none takes so much of it that another has nothing (docs/limits.md)."""

from pathlib import Path

import pytest

from skypanel.domain.limits import MIB
from skypanel.host.tracking import MAX_CONNECTIONS
from tests.contracts.builder import LIMITS, output, shell, text
from tests.fixtures.launcher import launcher, make_app, running_launcher
from tests.support.outside import outside

__all__ = ["launcher"]

FILE_MAX = Path("/proc/sys/fs/file-max")
MAX_WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")
TRACKED = Path("/proc/net/nf_conntrack")
UNANSWERED_S = 10
FLOOD = """
import socket, sys, time
flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(10000, 10000 + int(sys.argv[2])):
    flood.sendto(b"x", (sys.argv[1], port))
    if port % 100 == 0:
        time.sleep(0.01)
"""
INOTIFY = """
import ctypes, os
libc = ctypes.CDLL(None)
count = 0
while libc.inotify_init1(0) >= 0:
    count += 1
print(count)
"""
OPEN_FILES = """
import os
count = 0
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
        count += 1
except OSError:
    print(count)
"""
SYSTEM_V = """
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
shared = libc.shmat(libc.shmget(0, 400 << 20, 0o1600), None, 0)
ctypes.memset(shared, 1, 400 << 20)
"""
QUEUES = """
import ctypes
libc = ctypes.CDLL(None)
message = ctypes.create_string_buffer(8 + 8192)
message[0] = 1
while True:
    queue = libc.msgget(0, 0o600)
    while libc.msgsnd(queue, message, 8192, 0o4000) == 0:
        pass
"""


@pytest.fixture
def builder(launcher):
    return launcher.builder


@pytest.fixture(scope="module")
def roots():
    """Bounds that need root: there is a control group, and each app is a user."""
    with running_launcher(root=True) as made:
        yield made.builder


def python(script, *arguments, **changes):
    quoted = " ".join(f"'{argument}'" for argument in arguments)
    return shell(f"exec python3 -c '{script}' {quoted}", **changes)


def number(file):
    return int(file.read_text())


def lifetimes(address):
    """Return how many seconds the kernel still keeps each datagram's entry; a line begins with the protocols and that."""
    lines = TRACKED.read_text().splitlines()
    return [int(line.split()[4]) for line in lines if f"dst={address}" in line and "UNREPLIED" in line]


async def test_connections_that_the_kernel_tracks(roots):
    with outside() as host:
        async with roots.workspace(make_app(), LIMITS) as greedy, roots.workspace(make_app(), LIMITS) as neighbour:
            await text(greedy, python(FLOOD, host.address, str(MAX_CONNECTIONS + 2000), network=True))
            assert host.datagrams() == MAX_CONNECTIONS
            assert 0 < max(lifetimes(host.address)) <= UNANSWERED_S
            await text(neighbour, python(FLOOD, host.address, "10", network=True))
            assert host.datagrams() == MAX_CONNECTIONS + 10


async def test_open_files_of_a_process(builder):
    async with builder.workspace(make_app(), LIMITS) as workspace:
        assert int(await text(workspace, python(OPEN_FILES))) <= 65_536
        assert int(await text(workspace, shell("ulimit -Hn"))) <= 65_536


async def test_open_files_of_the_machine(roots):
    async with roots.workspace(make_app(), LIMITS) as workspace:
        assert (await output(workspace, shell("true")))[0].ok
        assert number(FILE_MAX) > 1 << 60


async def test_watches_of_files(roots):
    async with roots.workspace(make_app(), LIMITS) as greedy, roots.workspace(make_app(), LIMITS) as neighbour:
        taking = python(INOTIFY + "print(flush=True)\nimport time; time.sleep(1000)")
        taken = greedy.read(taking)
        assert int((await anext(taken)).split()[0]) <= number(MAX_WATCHERS)
        assert int(await text(neighbour, python(INOTIFY))) > 0
        await taken.aclose()


@pytest.mark.parametrize("script", [SYSTEM_V, QUEUES], ids=["shared memory", "message queues"])
async def test_memory_of_the_kernel_is_the_sandboxs(roots, script):
    async with roots.workspace(make_app(), LIMITS) as workspace:
        exit_, _ = await output(workspace, python(script))
        assert exit_.reason == f"it used more than {LIMITS.memory_bytes // MIB} MiB of memory"
