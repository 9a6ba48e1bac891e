"""Ports for the servers that tests start."""

import fcntl
import os
import socket
import tempfile
from itertools import chain, islice
from pathlib import Path

from skypanel.embedded.choices import INTERNAL_PORTS

# Below those that the kernel gives to connections (ip_local_port_range), and those that panels choose: either could take a port before
# its server does.
PORTS = range(10_240, INTERNAL_PORTS.start)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on. No other test of this machine gets the same ones, until all were given once."""
    with (Path(tempfile.gettempdir()) / f"skypanel-tests-{os.getuid()}.port").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        last = int(file.read() or PORTS.start)
        turn = chain(range(last + 1, PORTS.stop), range(PORTS.start, last + 1))
        found = list(islice(filter(_is_free, turn), count))
        file.truncate(0)
        file.write(str(found[-1]))
    return found


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("", port)), socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("", port))
    except OSError:
        return False
    return True
