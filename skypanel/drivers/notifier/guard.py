"""What a process that sends may do: it connects to checked addresses, and reads the files of Python.

Python asks an audit hook before it does either, and a hook is never removed. So what a plugin resolves itself is checked, at the address
that it then connects to.
"""

import socket
import sys
import sysconfig
import threading
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from skypanel.domain.internet import Network
from skypanel.drivers.dialing import is_open

_SENDING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_REFUSED = frozenset(
    {
        *("socket.bind", "subprocess.Popen", "ctypes.dlopen", "syslog.openlog", "syslog.syslog"),
        *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.listdir", "os.scandir"),
    }
)
_INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})


class Refused(OSError):
    """Something that the process may not do."""


class Guard:
    """An audit hook. `has_denied` says whether it has refused a connection."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.has_denied = False
        self._networks = networks
        self._folders = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))
        self._looking = threading.local()

    def hold(self) -> None:
        """Let this process do no more than that, from now on."""
        sys.addaudithook(self._audit)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        # To find out which addresses are this machine's own, a socket is connected as well.
        if getattr(self._looking, "now", False):
            return
        if event in _SENDING:
            self._looking.now = True
            try:
                self._check_address(*args)
            finally:
                self._looking.now = False
        elif event == "open":
            self._check_file(args[0], args[2])
        elif event in _REFUSED:
            raise Refused(event)

    def _check_address(self, sender: socket.socket, address: Any) -> None:  # noqa: ANN401 - each family has addresses of its own
        if sender.family in _INTERNET and address is None:
            return  # it is connected, and was checked then
        if sender.family in _INTERNET and self._may_connect(str(address[0]), int(address[1])):
            return
        self.has_denied = True
        raise Refused("not a public server")

    def _may_connect(self, host: str, port: int) -> bool:
        try:
            return is_open(ip_address(host.partition("%")[0]), port, self._networks)
        except ValueError:
            return False  # a name, which would be resolved once more after the check

    def _check_file(self, path: Any, flags: int) -> None:  # noqa: ANN401 - a path, or the number of an open file
        if isinstance(path, int):
            return
        place = Path(path if isinstance(path, str) else path.decode()).resolve()
        if flags & 3 or not any(place.is_relative_to(folder) for folder in self._folders):
            raise Refused("not a file of Python")
