"""The command line of a launcher, and the names derived from it."""

import argparse
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from skypanel.domain.clients import parse_network
from skypanel.host.allowed import Allowed, parse_allowed
from skypanel.host.connection_limit import CONNECTIONS, CONNECTIONS_PER_ADDRESS, ConnectionLimit
from skypanel.host.ranges import parse_subnet, parse_uid_base


@dataclass(frozen=True)
class Options:
    """A launcher's command line."""

    home: Path
    run_dir: Path
    uid_base: int
    subnet: IPv4Network
    panel_uid: int
    allowed: tuple[Allowed, ...] = ()
    stop_grace_s: float = 10.0
    inner: bool = False
    rootless: bool = False
    host_addresses: tuple[str, ...] = ()
    connection_limit: ConnectionLimit | None = None

    @property
    def base(self) -> Path:
        """The launcher's own folder, where it mounts what sandboxes consist of."""
        return self.run_dir / "launcher" if self.rootless else Path(f"/run/skypanel-{self.tag}")

    @property
    def owner(self) -> int:
        """The owner of the socket and the logs, as the launcher sees it. In a user namespace only uid 0 is mapped."""
        return 0 if self.rootless else self.panel_uid

    @property
    def slirp_socket(self) -> Path:
        """The API socket of slirp4netns."""
        return self.run_dir / "slirp.sock"

    @property
    def tag(self) -> str:
        """Eight hex digits that distinguish this home's launcher from others on the machine."""
        return hashlib.sha256(os.fsencode(self.home)).hexdigest()[:8]

    @property
    def socket(self) -> Path:
        """The socket that accepts requests."""
        return self.run_dir / "launcher.sock"


def parse_options(arguments: Sequence[str]) -> Options:
    """Return the options of a command line. Exits with a usage message if it is wrong."""
    parser = argparse.ArgumentParser(prog="skypanel.launcher", description="Makes the sandboxes of builds and dynos.")
    parser.add_argument("--home", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--run-dir", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--uid-base", type=parse_uid_base, required=True, help="an app's user id is this plus its number")
    parser.add_argument(
        "--subnet", type=parse_subnet, required=True, help="private network whose addresses sandboxes get, such as 10.90.0.0/18"
    )
    parser.add_argument("--panel-uid", type=int, required=True, help="who may send requests, beside root")
    parser.add_argument(
        "--allow", type=parse_allowed, nargs="*", default=[], metavar="CIDR[:PORT]", help="private addresses that sandboxes may reach"
    )
    parser.add_argument("--public-ports", type=int, nargs="*", default=[], metavar="PORT", help="ports with limited connections")
    parser.add_argument("--connections-per-address", type=int, default=CONNECTIONS_PER_ADDRESS, help="how many an address holds open there")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="how many are held open there in all")
    parser.add_argument(
        "--trusted-proxies", type=parse_network, nargs="*", default=[], metavar="CIDR", help="networks that are counted only in all"
    )
    parser.add_argument("--stop-grace", type=float, default=10.0, help="seconds between SIGTERM and SIGKILL when the launcher ends")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rootless", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--host-addresses", nargs="*", default=[], help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    return Options(
        parsed.home,
        parsed.run_dir,
        parsed.uid_base,
        parsed.subnet,
        parsed.panel_uid,
        tuple(parsed.allow),
        parsed.stop_grace,
        parsed.inner,
        parsed.rootless,
        tuple(parsed.host_addresses),
        _connection_limit(parsed),
    )


def _connection_limit(parsed: argparse.Namespace) -> ConnectionLimit | None:
    return (
        ConnectionLimit(tuple(parsed.public_ports), parsed.connections_per_address, parsed.connections, tuple(parsed.trusted_proxies))
        if parsed.public_ports
        else None
    )
