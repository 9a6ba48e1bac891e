"""Where processes of a network namespace listen, as the kernel reports it (sock_diag(7)), and whether that will change.

On a Swarm, this module also runs in a dyno's container. So it uses only the standard library, and no other module.
"""

import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import islice

# An app that listens elsewhere and is idle for so long will not listen on $PORT any more.
SETTLED_S = 4.0
# An app that uses more than this share of a processor is still booting, even if part of it listens already.
BUSY = 0.1
# An app may listen on any number of ports. So many are reported for each family and query.
MAX_LISTENERS = 50

_CLONE_NEWNET = 0x40000000
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_LISTEN_STATE = 10
_SKV6ONLY = 11
_RECEIVED_BYTES = 65536
_ANY = 0
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI2s46x")
# The start of struct inet_diag_msg: the family, three bytes that we skip, the port, and the source address.
_FOUND = struct.Struct("=Bxxx2s2x16s")
_FOUND_BYTES = 72
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")


@dataclass(frozen=True, order=True)
class Listener:
    """An address and a port that accept connections."""

    address: str
    port: int
    is_ipv6_only: bool = False

    def __str__(self) -> str:
        if ":" not in self.address:
            return f"{self.address}:{self.port}"
        return f"[{self.address}]:{self.port}" + (" (IPv6 only)" if self.is_ipv6_only and self.address == "::" else "")

    def is_reached_at(self, port: int) -> bool:
        """Whether the proxy reaches it at `port`. The proxy uses IPv4 and does not share the app's loopback interface."""
        if self.port != port or self.is_ipv6_only:
            return False
        address = self.address.removeprefix("::ffff:")
        return address == "::" or (":" not in address and not IPv4Address(address).is_loopback)


@dataclass(frozen=True)
class PortSnapshot:
    """A snapshot of an app that starts: the port it should listen on, where it listens, and its CPU time in seconds."""

    port: int
    listeners: frozenset[Listener] = frozenset()
    cpu_s: float = 0.0

    @property
    def is_reachable(self) -> bool:
        """Whether it listens on its port where the proxy reaches it."""
        return any(listener.is_reached_at(self.port) for listener in self.listeners)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it listens, but nowhere that the proxy reaches."""
        return bool(self.listeners) and not self.is_reachable

    def complaint(self) -> str:
        """Return the complaint about an app that listens elsewhere, as a sentence without its subject."""
        shown = ", ".join(map(str, sorted(self.listeners, key=lambda each: (each.port != self.port, each))[:3]))
        return f"listens on {shown}, which the proxy cannot reach: its $PORT is {self.port}"


class Settling:
    """Detects from a sequence of snapshots that an app will not listen anywhere else."""

    def __init__(self) -> None:
        self._since, self._first = 0.0, PortSnapshot(0)

    def has_settled(self, look: PortSnapshot, now: float) -> bool:
        """Whether it has listened elsewhere and been idle for SETTLED_S. `now` is a monotonic time in seconds."""
        if not look.is_elsewhere or look.listeners != self._first.listeners:
            self._since, self._first = now, look
            return False
        if now - self._since < SETTLED_S:
            return False
        rests = look.cpu_s - self._first.cpu_s < BUSY * (now - self._since)
        self._since, self._first = now, look
        return rests


def enter(process: int) -> None:
    """Move the calling thread into the network namespace of a process (a pidfd), permanently. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).setns(process, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def listeners(port: int) -> frozenset[Listener]:
    """Return the TCP listeners in the calling thread's network namespace: those on `port`, and some others. Raises OSError."""
    families = (socket.AF_INET, socket.AF_INET6)
    return frozenset(listener for family in families for wanted in (port, _ANY) for listener in _ask(family, wanted))


def _ask(family: int, port: int) -> Iterator[Listener]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
        request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 1 << _LISTEN_STATE, port.to_bytes(2, "big"))
        kernel.send(_HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + request)
        yield from islice(_answers(kernel), MAX_LISTENERS)


def _answers(kernel: socket.socket) -> Iterator[Listener]:
    while True:
        for kind, body in _messages(kernel.recv(_RECEIVED_BYTES)):
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                raise OSError(-_ERROR.unpack_from(body)[0], "sock_diag")
            yield parse(body)


def _messages(block: bytes) -> Iterator[tuple[int, bytes]]:
    while block:
        length, kind, *_ = _HEADER.unpack_from(block)
        yield kind, block[_HEADER.size : length]
        block = block[_aligned(length) :]


def parse(body: bytes) -> Listener:
    """Parse the kernel's description of one socket (struct inet_diag_msg and its attributes, linux/inet_diag.h)."""
    family, port, packed = _FOUND.unpack_from(body)
    is_ipv4 = family == socket.AF_INET
    address = IPv4Address(packed[:4]) if is_ipv4 else IPv6Address(packed)
    return Listener(str(address), int.from_bytes(port, "big"), not is_ipv4 and _is_ipv6_only(body[_FOUND_BYTES:]))


def _is_ipv6_only(attributes: bytes) -> bool:
    while len(attributes) > _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if kind == _SKV6ONLY:
            return bool(attributes[_ATTRIBUTE.size])
        attributes = attributes[max(_aligned(length), _ATTRIBUTE.size) :]
    return False


def _aligned(length: int) -> int:
    return (length + 3) // 4 * 4


def cpu_s(stat: str) -> float:
    """Return the CPU time of a process and its ended children in seconds, from its /proc/PID/stat (proc(5))."""
    return sum(map(int, stat.rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")
