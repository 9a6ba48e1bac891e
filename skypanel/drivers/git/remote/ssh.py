"""Git over SSH by asyncssh, without the local user's files: no agent, no keys, no known hosts."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import IO, Any, TypeVar

import asyncssh
from dulwich.client import TraditionalGitClient
from dulwich.protocol import Protocol, ReceivableProtocol

from skypanel.domain.errors import Conflict, Denied, Unavailable
from skypanel.domain.internet import IpAddress
from skypanel.domain.names import printable
from skypanel.domain.remote import GitUrl, RemoteAccess
from skypanel.drivers.dialing import dial
from skypanel.drivers.git.remote.allowance import Allowance

CONNECT_S = 20.0
KEEPALIVE_S = 15.0
LAST_STDERR_S = 2.0
LAST_STDERR_BYTES = 2000

T = TypeVar("T")


class SshClient(TraditionalGitClient):
    """Speaks with one `git-upload-pack`. It runs in a thread; the connection belongs to the event loop."""

    def __init__(self, process: "asyncssh.SSHClientProcess[bytes]", host_key: str, allowance: Allowance) -> None:
        super().__init__(thin_packs=False, quiet=True)
        self.host_key = host_key
        self._process = process
        self._allowance = allowance
        self._loop = asyncio.get_running_loop()

    def _connect(
        self,
        cmd: bytes,  # noqa: ARG002 - dulwich's signature
        path: str | bytes,  # noqa: ARG002 - the same
        protocol_version: int | None = None,  # noqa: ARG002 - the same
    ) -> tuple[Protocol, Callable[[], bool], IO[bytes] | None]:
        return ReceivableProtocol(self._receive, self._send), lambda: False, None

    def last_stderr(self) -> str:
        """Return what the server wrote to stderr."""
        with suppress(TimeoutError, OSError, asyncssh.Error):
            message = self._wait(asyncio.wait_for(self._process.stderr.read(LAST_STDERR_BYTES), LAST_STDERR_S))
            return " ".join(message.decode(errors="replace").split())
        return ""

    def _receive(self, count: int) -> bytes:
        return self._allowance.take(self._wait(self._process.stdout.read(count)))

    def _send(self, chunk: bytes) -> None:
        async def send() -> None:
            # A server that has disconnected may have sent the reason, which can still be read.
            with suppress(BrokenPipeError):
                self._process.stdin.write(chunk)
                await self._process.stdin.drain()

        self._wait(send())

    def _wait(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result()


@asynccontextmanager
async def upload_pack(access: RemoteAccess, addresses: Sequence[IpAddress], allowance: Allowance) -> AsyncIterator[SshClient]:
    """Connect, and start git on the server.

    Raises Conflict for a changed host key, before the server gets any data; Denied if it rejects the key; Unavailable.
    """
    connection = await _log_in(access, addresses)
    allowance.hold(connection.abort)
    try:
        shown = connection.get_server_host_key()
        if shown is None:
            raise _lost(access.url)
        try:
            process = await connection.create_process(
                f"git-upload-pack {shlex.quote(access.url.path)}", encoding=None, env={"GIT_PROTOCOL": "version=2"}
            )
        except (OSError, asyncssh.Error) as error:
            raise _lost(access.url) from error
        yield SshClient(process, _text(shown), allowance)
    finally:
        connection.abort()
        await connection.wait_closed()


async def _log_in(access: RemoteAccess, addresses: Sequence[IpAddress]) -> asyncssh.SSHClientConnection:
    url, options = access.url, _options(access)
    socket = await asyncio.to_thread(dial, url.host, url.port, addresses)
    try:
        async with asyncio.timeout(CONNECT_S):
            return await asyncssh.connect(url.host, url.port, sock=socket, **options)
    except asyncssh.HostKeyNotVerifiable as error:
        raise _changed(url) from error
    except asyncssh.PermissionDenied as error:
        raise Denied(f"{url.host} rejects the app's deploy key.") from error
    except (asyncssh.ConnectionLost, asyncssh.KeyExchangeFailed, ConnectionResetError) as error:
        # A server that has no host key of the requested type just disconnects.
        if access.host_key and await _shown_key(url, addresses) not in {access.host_key, None}:
            raise _changed(url) from error
        raise _lost(url) from error
    except (OSError, TimeoutError, asyncssh.Error) as error:
        raise _lost(url) from error


async def _shown_key(url: GitUrl, addresses: Sequence[IpAddress]) -> str | None:
    socket = await asyncio.to_thread(dial, url.host, url.port, addresses)
    try:
        async with asyncio.timeout(CONNECT_S):
            key = await asyncssh.get_server_host_key(url.host, url.port, sock=socket, config=None)
    except (OSError, TimeoutError, asyncssh.Error):
        return None
    return None if key is None else _text(key)


def _options(access: RemoteAccess) -> dict[str, Any]:
    expected = access.host_key and asyncssh.import_public_key(access.host_key)
    return {
        "config": None,
        "agent_path": None,
        # Without a known key, the first one is trusted and stored.
        "known_hosts": ([expected], [], []) if expected else None,
        "username": access.url.user,
        "client_keys": [asyncssh.import_private_key(access.private_key)] if access.private_key else None,
        "password": None,
        "gss_host": None,
        "x509_trusted_certs": None,
        "preferred_auth": "publickey",
        "keepalive_interval": KEEPALIVE_S,
    }


def _text(key: asyncssh.SSHKey) -> str:
    return key.export_public_key("openssh").decode().strip()


def _changed(url: GitUrl) -> Conflict:
    return Conflict(
        f"The host key of {url.host} has changed: it may be another server. Nothing was read from it.",
        "If its keys were changed on purpose, clear the app's git URL and set it again.",
    )


def _lost(url: GitUrl) -> Unavailable:
    return Unavailable(
        f"No SSH server answers at {url.host}, port {url.port}.", "Check the host and the port in the URL, or try again later."
    )


def no_repository(url: GitUrl, message: str) -> Denied:
    """Return the error for a server that accepts the key but denies the repository."""
    return Denied(f"{url} is not readable with the app's deploy key" + (f": {printable(message, 200)}." if message else "."))
