"""The LogDrains port: syslog over TCP and TLS, and requests over HTTPS."""

import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from skypanel.domain.internet import Network
from skypanel.domain.log_drain import Scheme, scheme_of
from skypanel.drivers.dialing import addresses_of
from skypanel.drivers.log_drains.https import HttpsDrain
from skypanel.drivers.log_drains.syslog import Server, SyslogDrain
from skypanel.drivers.resolved import SETTING
from skypanel.ports.log_drains import DrainConnection


class LogServers:
    """Certificates of servers are verified."""

    def __init__(self) -> None:
        self._tls = ssl.create_default_context()

    async def check(self, url: str, networks: Sequence[Network]) -> None:
        """Raise Denied or Unavailable unless the panel may connect to the host of a URL."""
        server = _server(url)
        await addresses_of(server.host, server.port, networks, SETTING)

    def open(self, url: str) -> DrainConnection:
        """Return what sends lines to a URL. It connects when there are some."""
        scheme = scheme_of(url)
        if scheme is Scheme.HTTPS:
            return HttpsDrain(url, self._tls)
        return SyslogDrain(_server(url), self._tls if scheme is Scheme.SYSLOG_TLS else None)


def _server(url: str) -> Server:
    split = urlsplit(url)
    return Server(split.hostname or "", split.port or scheme_of(url).port)
