"""Where the processes of a network namespace listen."""

from enum import StrEnum
from pathlib import Path

_LISTEN = "0A"
_IPV4_HEX_DIGITS = 8
_IPV6_LOOPBACK = "00000000000000000000000001000000"


class Listening(StrEnum):
    """On which addresses a port is open."""

    NOWHERE = "nowhere"
    LOOPBACK = "loopback"
    EVERYWHERE = "everywhere"


def find(tables: str, port: int) -> Listening:
    """Return where `port` is listened on, from the lines of /proc/PID/net/tcp and tcp6."""
    found = Listening.NOWHERE
    for line in tables.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[3] != _LISTEN:  # noqa: PLR2004 - the state is the fourth column
            continue
        address, _, number = fields[1].partition(":")
        if int(number, 16) == port:
            if not _is_loopback(address):
                return Listening.EVERYWHERE
            found = Listening.LOOPBACK
    return found


def _is_loopback(address: str) -> bool:
    """Whether it is 127.0.0.0/8 or ::1; the kernel prints each 32-bit word in the machine's byte order."""
    return address.endswith("7F") if len(address) == _IPV4_HEX_DIGITS else address == _IPV6_LOOPBACK


def listening(pid: int, port: int) -> Listening:
    """Return where `port` is listened on in the network namespace of a process."""
    try:
        return find("".join(Path("/proc", str(pid), "net", name).read_text() for name in ("tcp", "tcp6")), port)
    except (FileNotFoundError, ProcessLookupError):
        return Listening.NOWHERE
