"""The Machines port: SSH by asyncssh, without the local user's files: no agent, no keys, no known hosts."""

import asyncio
import shlex
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncssh

from skypanel.domain.errors import Conflict, Denied, Invalid, Unavailable
from skypanel.domain.manifest import Exit
from skypanel.domain.node import SecretKind, SshLogin
from skypanel.ports.builder import StepFailed
from skypanel.ports.nodes import Shell
from skypanel.ports.output import WriteLine

CONNECT_S = 15.0
KEEPALIVE_S = 5.0
# Output beyond this is dropped. None of our commands prints as much.
MAX_OUTPUT_BYTES = 1024 * 1024
MAX_LINE = 64 * 1024


class SshMachines:
    """Logs in to machines. The caller stores the host keys."""

    async def host_key(self, address: str, port: int) -> str:
        """Return a machine's host key in OpenSSH format. Raises Unavailable."""
        try:
            async with asyncio.timeout(CONNECT_S):
                key = await asyncssh.get_server_host_key(address, port, config=None)
        except (OSError, TimeoutError, asyncssh.Error) as error:
            raise _unreachable(address, port) from error
        if key is None:
            raise _unreachable(address, port)
        return key.export_public_key("openssh").decode().strip()

    def fingerprint(self, host_key: str) -> str:
        """Return a host key's fingerprint (SHA256:...) as `ssh-keygen -l` prints it."""
        return asyncssh.import_public_key(host_key).get_fingerprint()

    @asynccontextmanager
    async def log_in(self, login: SshLogin) -> AsyncIterator[Shell]:
        """Log in. Raises Conflict for a changed host key, Denied, Invalid or Unavailable."""
        options = _options(login)
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await asyncssh.connect(login.address, login.port, **options)
        except asyncssh.HostKeyNotVerifiable as error:
            raise _changed(login) from error
        except asyncssh.PermissionDenied as error:
            raise Denied(
                f"{login.address} rejects this {login.kind.value} for the user {login.user}.",
                "Check which keys or password the machine accepts, and whether root may log in.",
            ) from error
        except (asyncssh.ConnectionLost, asyncssh.KeyExchangeFailed, ConnectionResetError) as error:
            # A server that has no host key of the requested type just disconnects, before or after the request.
            if await self.host_key(login.address, login.port) != login.host_key:
                raise _changed(login) from error
            raise _unreachable(login.address, login.port) from error
        except (OSError, TimeoutError, asyncssh.Error) as error:
            raise _unreachable(login.address, login.port) from error
        try:
            yield SshShell(connection, login.address)
        finally:
            connection.abort()
            await connection.wait_closed()


class SshShell:
    """A connection. Its commands are quoted for the login shell."""

    def __init__(self, connection: asyncssh.SSHClientConnection, address: str) -> None:
        self._connection = connection
        self._address = address

    async def run(self, argv: Sequence[str], write: WriteLine, stdin: AsyncIterable[bytes] | None = None) -> Exit:
        """Run a command until it ends, and pass its stdout and stderr to `write` line by line. Raises Unavailable."""
        try:
            process = await self._begin(argv)
            feeding = asyncio.create_task(_feed(process, stdin))
            try:
                async for line in _lines(process.stdout):
                    await write(line)
                await process.wait_closed()
                await feeding
            finally:
                process.close()
                feeding.cancel()
            return _exit(process)
        except (OSError, asyncssh.Error) as error:
            raise self._lost() from error

    async def read(self, argv: Sequence[str], stdin: bytes = b"") -> str:
        """Return what a command prints. Raises StepFailed with its last line, or Unavailable."""
        printed: list[str] = []

        async def keep(line: str) -> None:
            if sum(map(len, printed)) + len(line) <= MAX_OUTPUT_BYTES:
                printed.append(line)

        exit_ = await self.run(argv, keep, _once(stdin))
        if not exit_.ok:
            raise StepFailed(Exit(exit_.code, exit_.reason or (printed[-1] if printed else None)))
        return "".join(f"{line}\n" for line in printed)

    async def _begin(self, argv: Sequence[str]) -> "asyncssh.SSHClientProcess[bytes]":
        return await self._connection.create_process(shlex.join(argv), stderr=asyncssh.STDOUT, encoding=None, env={})

    def _lost(self) -> Unavailable:
        return Unavailable(f"The connection to {self._address} was lost.", "Try again.")


def _options(login: SshLogin) -> dict[str, Any]:
    host_key = asyncssh.import_public_key(login.host_key)
    options: dict[str, Any] = {
        "config": None,
        "agent_path": None,
        "known_hosts": ([host_key], [], []),
        "username": login.user,
        "client_keys": None,
        "password": None,
        "gss_host": None,
        "x509_trusted_certs": None,
        "preferred_auth": "publickey",
        "keepalive_interval": KEEPALIVE_S,
    }
    if login.kind is SecretKind.PASSWORD:
        return options | {"password": login.secret, "preferred_auth": "password,keyboard-interactive"}
    return options | {"client_keys": [_private_key(login.secret)]}


def _private_key(text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise Invalid("This is not an SSH private key, or it has a passphrase.", "Use a key without a passphrase.") from error


async def _feed(process: "asyncssh.SSHClientProcess[bytes]", stdin: AsyncIterable[bytes] | None) -> None:
    """Send a command its input. If it ends before reading all, its exit status tells why."""
    with suppress(BrokenPipeError, ConnectionError, asyncssh.Error):
        if stdin is not None:
            async for chunk in stdin:
                process.stdin.write(chunk)
                await process.stdin.drain()
        process.stdin.write_eof()


async def _lines(reader: "asyncssh.SSHReader[bytes]") -> AsyncIterator[str]:
    rest = b""
    while chunk := await reader.read(MAX_LINE):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
        if len(rest) > MAX_LINE:
            yield rest.decode(errors="replace")
            rest = b""
    if rest:
        yield rest.decode(errors="replace")


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _exit(process: "asyncssh.SSHClientProcess[bytes]") -> Exit:
    if process.exit_signal is not None:
        return Exit(128, f"it was ended by {process.exit_signal[0]}")
    if process.exit_status is None:
        raise OSError("the connection ended before the command")
    return Exit(process.exit_status)


def _changed(login: SshLogin) -> Conflict:
    return Conflict(
        f"The host key of {login.address} has changed: it may be another machine. Nothing was done.",
        "If it was reinstalled, remove the node and add it again.",
    )


def _unreachable(address: str, port: int) -> Unavailable:
    return Unavailable(f"No SSH server answers at {address}, port {port}.", "Check the address, the port and the machine's firewall.")
