"""A launcher without root. It is root of a user namespace; slirp4netns connects its network."""

# ruff: noqa: ASYNC240 - short calls on local file systems

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from skypanel.host.commands import CommandFailed, call
from skypanel.host.descriptors import Pipe, readable
from skypanel.launcher.options import Options
from skypanel.launcher.slirp import FORWARDING

_NO_NAMESPACES = """\
Unprivileged user namespaces are not allowed here.
Run the panel as root, or allow them: sysctl kernel.apparmor_restrict_unprivileged_userns=0
"""
_NO_NETWORK = """\
slirp4netns could not connect the sandboxes' network.
Install slirp4netns and let this user open /dev/net/tun, or run the panel as root.
"""

# Reports that the namespaces exist, then waits for their network.
_WAIT = 'echo ready; read -r go; [ "$go" = go ] && exec "$@" >&2'


def namespaces(inner: Sequence[str], host_addresses: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs `inner` as root of new namespaces. It dies with its parent."""
    return (
        *("unshare", "--user", "--map-root-user", "--net", "--mount", "--propagation", "private", "--"),
        *("setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", _WAIT, "sh"),
        *(*inner, "--rootless", "--host-addresses", *host_addresses),
    )


def slirp(pid: int, api: str, ready: int, alive: int) -> tuple[str, ...]:
    """Return the command that connects the network namespace of `pid`. It ends when the writer of `alive` closes."""
    return (
        *("slirp4netns", "--configure", "--mtu=1500", "--disable-host-loopback"),
        *("--ready-fd", str(ready), "--exit-fd", str(alive), "--api-socket", api, str(pid), FORWARDING.device),
    )


async def run(options: Options, inner: Sequence[str]) -> int:
    """Run the launcher in its namespaces until it ends, and return its exit status."""
    options.run_dir.mkdir(parents=True, exist_ok=True)
    launcher = await asyncio.create_subprocess_exec(
        *namespaces(inner, await _host_addresses()), stdin=PIPE, stdout=PIPE, start_new_session=True
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _forward_signal, launcher, number)
    if launcher.stdout is None or await launcher.stdout.readline() != b"ready\n":
        await launcher.wait()
        sys.stderr.write(_NO_NAMESPACES)
        return 1
    async with _connected(launcher, options.slirp_socket) as connected:
        if not connected:
            sys.stderr.write(_NO_NETWORK)
        return await launcher.wait()


@asynccontextmanager
async def _connected(launcher: Process, api: Path) -> AsyncIterator[bool]:
    """Connect the launcher's network for the length of the block, and let the launcher start if that worked."""
    api.unlink(missing_ok=True)
    with Pipe() as alive, Pipe() as ready:
        try:
            slirp4netns = await asyncio.create_subprocess_exec(
                *slirp(launcher.pid, str(api), ready.write, alive.read),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=DEVNULL,
                pass_fds=[ready.write, alive.read],
                start_new_session=True,
            )
        except FileNotFoundError:
            slirp4netns = None
        ready.close_write()
        await readable(ready.read)
        connected = bool(os.read(ready.read, 1))
        if launcher.stdin is not None:
            launcher.stdin.write(b"go\n" if connected else b"\n")
            launcher.stdin.close()
        yield connected
        alive.close_write()
        if slirp4netns is not None:
            await slirp4netns.wait()
    api.unlink(missing_ok=True)


def _forward_signal(process: Process, number: int) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)


async def _host_addresses() -> tuple[str, ...]:
    """Return the host's own addresses. The firewall must block them, as a sandbox could reach host services there."""
    try:
        return tuple(re.findall(r"inet ([0-9.]+)", await call(("ip", "-o", "-4", "addr", "show"))))
    except CommandFailed:
        return ()
