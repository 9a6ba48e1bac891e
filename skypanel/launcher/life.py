"""The life of a launcher: which resources it acquires, and how it releases all of them."""

# ruff: noqa: ASYNC240 - short calls on local file systems

import asyncio
import base64
import fcntl
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib.resources import files
from pathlib import Path

from skypanel.domain.limits import MIB
from skypanel.host import connection_limit
from skypanel.host.commands import CommandFailed, call
from skypanel.host.firewall import AddressPlan
from skypanel.host.resolvers import host_resolvers
from skypanel.launcher.cgroups import Cgroups, find_hierarchy
from skypanel.launcher.counter import Counter
from skypanel.launcher.disks import LoopDisk, delete_tree, opened
from skypanel.launcher.dynos import Dynos
from skypanel.launcher.logs import LogFiles
from skypanel.launcher.machine import SandboxHost
from skypanel.launcher.network import Network
from skypanel.launcher.options import Options
from skypanel.launcher.places import Places, open_places
from skypanel.launcher.running import adopt_orphans
from skypanel.launcher.sandbox import HIDDEN, System, system_root
from skypanel.launcher.server import Server, listen
from skypanel.launcher.slirp import RESOLVER, SlirpNetwork
from skypanel.launcher.slugs import PART, Slugs

_SYSTEM_NAMES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_MAX_OPEN_FILES = 65_536
_FILE_MAX = Path("/proc/sys/fs/file-max")


async def live(options: Options) -> None:
    """Serve requests until SIGTERM or SIGINT, then stop all dynos and release all resources."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    _set_inherited()
    if not options.rootless:
        _lift_file_limit()
    adopt_orphans()
    async with AsyncExitStack() as stack:
        machine = await stack.enter_async_context(_open_machine(options))
        slugs = Slugs(machine)
        dynos = Dynos(machine, slugs, LogFiles(machine.places.logs, options.owner))
        stack.push_async_callback(dynos.stop, None, options.stop_grace_s)
        server = Server(machine, dynos, slugs, frozenset({0, options.owner}))
        stack.push_async_callback(server.close)
        serving = asyncio.create_task(server.serve(stack.enter_context(listen(options.socket, options.owner))))
        await asyncio.wait({serving, asyncio.create_task(ended.wait())}, return_when=asyncio.FIRST_COMPLETED)
        options.socket.unlink()
        if serving.done():
            serving.result()
        serving.cancel()


def _set_inherited() -> None:
    """Set what child processes inherit: no core dumps, enough open files, and a umask that lets others traverse folders."""
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(_MAX_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _lift_file_limit() -> None:
    """Remove the limit on open files of the whole machine, as systemd does: one app could exhaust it.

    The memory of open files stays bounded by the memory limits.
    """
    try:
        _FILE_MAX.write_text(str(2**63 - 1))
    except OSError as error:
        sys.stderr.write(f"{_FILE_MAX} cannot be written: {error.strerror}\n")


@asynccontextmanager
async def _open_machine(options: Options) -> AsyncIterator[SandboxHost]:
    """Acquire everything that has this home's name, clear what an earlier launcher left, and release it at the end."""
    with _sole_owner(options.base):
        async with AsyncExitStack() as stack:
            places = await open_places(options.home, options.base, Path(str(files("buildpacks"))), options.owner)
            stack.push_async_callback(call, ("umount", "--recursive", "--lazy", str(options.base)))
            cgroups = await _open_cgroups(options)
            if cgroups is not None:
                stack.push_async_callback(cgroups.clear)
            _clear_folders(places)
            if options.connection_limit is not None and not options.rootless:
                await connection_limit.hold(options.tag, options.connection_limit)
            network, resolvers = _network(options, places)
            await network.clear_links()
            await network.open(resolvers, options.allowed, options.host_addresses)
            stack.push_async_callback(network.close)
            loop_devices = not options.rootless and await _loop_devices_work(places)
            yield SandboxHost(places, await _system(options), network, cgroups, options.uid_base, resolvers, loop_devices)


def _network(options: Options, places: Places) -> tuple[Network, tuple[str, ...]]:
    """Return the network and the DNS resolvers of sandboxes. slirp4netns forwards queries to the host's resolver."""
    plan = AddressPlan(options.tag, options.subnet)
    slots = Counter(places.next_slot, plan.slots)
    if options.rootless:
        return SlirpNetwork(plan, slots, options.slirp_socket), host_resolvers() or (RESOLVER,)
    return Network(plan, slots), host_resolvers()


@contextmanager
def _sole_owner(base: Path) -> Iterator[None]:
    """Hold a lock on the launcher's folder. A second launcher of the same home exits here."""
    base.mkdir(mode=0o711, parents=True, exist_ok=True)
    descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, base)
        yield
        base.rmdir()
    finally:
        os.close(descriptor)


def _lock(descriptor: int, base: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"A launcher of this home is already running: {base} is in use.")


async def _open_cgroups(options: Options) -> Cgroups | None:
    """Return this launcher's control groups, emptied; None if they cannot be used."""
    hierarchy = None if options.rootless else find_hierarchy(Path("/proc/self/mounts").read_text())
    if hierarchy is None:
        return None
    cgroups = Cgroups(hierarchy, options.tag)
    await cgroups.clear()
    try:
        cgroups.prepare()
    except OSError as error:
        sys.stderr.write(f"Control groups cannot be used: {error}\n")
        return None
    return cgroups


def _clear_folders(places: Places) -> None:
    """Delete the disks and partly extracted slugs of an earlier launcher that was killed."""
    for leftover in (*places.images.iterdir(), *places.base.glob(f"slugs/*/*{PART}")):
        delete_tree(leftover)


async def _loop_devices_work(places: Places) -> bool:
    try:
        async with opened(LoopDisk(places.images / "probe.img", places.mounts / "probe", 16 * MIB, 0)):
            return True
    except CommandFailed as error:
        sys.stderr.write(f"Loop devices cannot be used: {error}\n")
        return False


async def _system(options: Options) -> System:
    links = {name: str(Path("/", name).readlink()) for name in _SYSTEM_NAMES if Path("/", name).is_symlink()}
    folders = [name for name in _SYSTEM_NAMES if name not in links and Path("/", name).is_dir()]
    disable_userns = "--disable-userns" in await call(("bwrap", "--help"))
    # in a short-lived process, because it loads a library
    calls = base64.b64decode(await call((sys.executable, "-m", "skypanel.drivers.sandbox.seccomp")))
    hidden = [path for path in HIDDEN if Path(path).is_dir()]
    return System(system_root(links, folders, hidden), disable_userns, options.rootless, calls)
