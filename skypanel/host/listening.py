"""Where the processes of a network namespace listen, as the kernel says (sock_diag(7)), and when they have settled out of reach.

Runs in a dyno's container on a Swarm too: the standard library only, and nothing else of the panel's.
"""

import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import islice

# An app that does nothing more for so long and listens elsewhere will not come to listen on $PORT.
SETTLED_S = 4.0
# More of a processor's time than this and an app still boots, with something beside it that listens already.
BUSY = 0.1
# An app may open as many as it likes; so many of a family are told of.
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
# The family, and after three bytes of no interest the port and the address: struct inet_diag_msg begins with them.
_FOUND = struct.Struct("=Bxxx2s2x16s")
_FOUND_BYTES = 72
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")


@dataclass(frozen=True, order=True)
class Listener:
    """An address and a port that connections are taken at."""

    address: str
    port: int
    is_ipv6_only: bool = False

    def __str__(self) -> str:
        if ":" not in self.address:
            return f"{self.address}:{self.port}"
        return f"[{self.address}]:{self.port}" + (" (IPv6 only)" if self.is_ipv6_only and self.address == "::" else "")

    def is_reached_at(self, port: int) -> bool:
        """Whether the proxy, which speaks IPv4 and comes from outside, reaches it at a port."""
        if self.port != port or self.is_ipv6_only:
            return False
        address = self.address.removeprefix("::ffff:")
        return address == "::" or (":" not in address and not IPv4Address(address).is_loopback)


@dataclass(frozen=True)
class Look:
    """What is seen of an app that is waited for: what it is to listen on, where it does, and what it used of processors since its start."""

    port: int
    listeners: frozenset[Listener] = frozenset()
    cpu_s: float = 0.0

    @property
    def is_reachable(self) -> bool:
        """Whether it listens on its port where the proxy reaches it."""
        return any(listener.is_reached_at(self.port) for listener in self.listeners)

    @property
    def is_elsewhere(self) -> bool:
        """Whether all that it listens on is of no use."""
        return bool(self.listeners) and not self.is_reachable

    def complaint(self) -> str:
        """Return what to say of an app that listens elsewhere, as the rest of a sentence that begins with its name."""
        shown = ", ".join(map(str, sorted(self.listeners, key=lambda each: (each.port != self.port, each))[:3]))
        return f"listens on {shown}, where nobody reaches it: its $PORT is {self.port}"


class Settling:
    """Tells of looks, one after the other, whether an app will stay where it listens."""

    def __init__(self) -> None:
        self._since, self._first = 0.0, Look(0)

    def has_settled(self, look: Look, now: float) -> bool:
        """Whether it has listened elsewhere for a while, and does nothing more; `now` is a time of any steady clock, in seconds."""
        if not look.is_elsewhere or look.listeners != self._first.listeners:
            self._since, self._first = now, look
            return False
        if now - self._since < SETTLED_S:
            return False
        rests = look.cpu_s - self._first.cpu_s < BUSY * (now - self._since)
        self._since, self._first = now, look
        return rests


def enter(process: int) -> None:
    """Take the calling thread into the network namespace of a process (a pidfd), for the rest of its life. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).setns(process, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def listeners(port: int) -> frozenset[Listener]:
    """Return where something listens by TCP in the calling thread's network namespace: on `port`, and on some others. Raises OSError."""
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
    """Read one socket as the kernel describes it (struct inet_diag_msg and what follows it, linux/inet_diag.h)."""
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
    """Return what a process and its ended children used of processors, from its /proc/PID/stat (proc(5))."""
    return sum(map(int, stat.rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")
