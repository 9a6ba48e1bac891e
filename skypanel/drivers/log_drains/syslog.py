"""Log lines as syslog over TCP (RFC 6587) or TLS (RFC 5425), by asyncio's streams."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from dataclasses import dataclass

from skypanel.domain.errors import Unavailable
from skypanel.domain.internet import IpAddress, Network
from skypanel.domain.log_drain import Shipment, syslog_frames
from skypanel.drivers.dialing import addresses_of
from skypanel.drivers.log_drains.reasons import reason
from skypanel.drivers.resolved import SETTING
from skypanel.ports.log_drains import SEND_S


@dataclass(frozen=True)
class Server:
    """A syslog server."""

    host: str
    port: int


class SyslogDrain:
    """Keeps a connection open from one shipment to the next. A new one goes to an address that is checked anew."""

    def __init__(self, server: Server, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._tls = tls
        self._connected: tuple[StreamReader, StreamWriter] | None = None

    async def send(self, shipment: Shipment, networks: Sequence[Network]) -> None:
        """Write a shipment. Raises Denied and Unavailable."""
        try:
            async with asyncio.timeout(SEND_S):
                await self._write(syslog_frames(shipment), networks)
        except TimeoutError:
            self._abort()
            raise Unavailable(f"{self._server.host} took no lines within {SEND_S:g} s.") from None
        except OSError as error:
            self._abort()
            raise Unavailable(f"{self._server.host} takes no lines. {reason(error)}") from None

    async def close(self) -> None:
        """Close the connection."""
        self._abort()

    async def _write(self, frames: bytes, networks: Sequence[Network]) -> None:
        reader, writer = self._connected or (None, None)
        if reader is None or writer is None or reader.at_eof() or writer.is_closing():
            self._abort()
            reader, writer = await self._connect(networks)
        writer.write(frames)
        # With a limit of 0, this waits until the kernel has all of it.
        await writer.drain()

    async def _connect(self, networks: Sequence[Network]) -> tuple[StreamReader, StreamWriter]:
        """Connect to the first address that accepts. Raises OSError."""
        failure: OSError = ConnectionRefusedError()
        for address in await addresses_of(self._server.host, self._server.port, networks, SETTING):
            try:
                self._connected = await self._open(address)
            except OSError as error:
                failure = error
            else:
                self._connected[1].transport.set_write_buffer_limits(0)
                return self._connected
        raise failure

    async def _open(self, address: IpAddress) -> tuple[StreamReader, StreamWriter]:
        name = self._server.host if self._tls else None
        return await asyncio.open_connection(str(address), self._server.port, ssl=self._tls, server_hostname=name)

    def _abort(self) -> None:
        if self._connected is not None:
            self._connected[1].transport.abort()
            self._connected = None
