"""Checks whether the public ports are free, and which program uses them otherwise."""

import errno
import os
import re
import subprocess
from dataclasses import dataclass

from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.routing import Address
from skypanel.embedded import choices

_USER = re.compile(r'users:\(\("(?P<name>[^"]+)",pid=(?P<pid>\d+)')


@dataclass(frozen=True)
class PublicPort:
    """A port for clients outside, and the variable that sets it."""

    purpose: str
    number: int
    variable: str


def public_ports(address: Address) -> tuple[PublicPort, ...]:
    """Return the public ports of an address."""
    return (
        PublicPort("git over SSH", address.ssh_port, "SKYPANEL_SSH_PORT"),
        PublicPort("HTTP", address.http_port, "SKYPANEL_HTTP_PORT"),
        PublicPort("HTTPS", address.https_port, "SKYPANEL_HTTPS_PORT"),
        PublicPort("`heroku run`", address.rendezvous_port, "SKYPANEL_RENDEZVOUS_PORT"),
    )


def check_public_ports(address: Address) -> None:
    """Raise Conflict for the first port in use, Invalid for one that only root may bind."""
    for port in public_ports(address):
        errors = choices.bind_errors(port.number, everywhere=True)
        if errno.EADDRINUSE in errors:
            raise Conflict(
                f"Port {port.number} for {port.purpose} is taken{_by(port.number)}.",
                f"Stop that process, or set {port.variable} to a free port.",
            )
        if errno.EACCES in errors and os.geteuid() != 0:
            raise Invalid(
                f"Port {port.number} for {port.purpose} needs root.",
                f"Start the panel as root, or set {port.variable} to 1024 or more.",
            )


def _by(port: int) -> str:
    result = subprocess.run(
        ("ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes", "sport", "=", f":{port}"),
        check=False,
        capture_output=True,
        text=True,
    )
    return listener(result.stdout)


def listener(sockets: str) -> str:
    """Return ` by <program> (process <id>)` from the output of `ss`, or an empty text if it does not say."""
    found = _USER.search(sockets)
    return f" by {found['name']} (process {found['pid']})" if found else ""
