"""Git over SSH: public key authentication, and nothing but git."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import asyncssh

from gitreceiver.channel import Channel
from gitreceiver.command import ONLY_GIT, parse
from gitreceiver.conversations import Conversations
from gitreceiver.session import REFUSED, Git, refusal_line
from skypanel.domain.account import Account
from skypanel.domain.clients import network
from skypanel.domain.errors import SkyPanelError
from skypanel.flow.audit import ORIGIN

USER = "git"
MAX_KEYS_TRIED = 20
MAX_CHANNELS = 8
FLOOD = 2  # times the connection limits; above this, connections are dropped without a message
# No chacha20: the client's preference decides, and it costs several times as much as AES-GCM. CTR is for older clients.
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr")

Authenticate = Callable[[str], Awaitable[Account | None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SshLimits:
    """Limits of connections: how many, and timeouts in seconds."""

    connections: int = 400
    connections_per_address: int = 120
    login_s: float = 30.0
    unused_s: float = 120.0
    keepalive_s: float = 15.0


class SshListener:
    """Listens for connections, and tracks them and their conversations.

    `authenticate` finds the account of a key by its fingerprint (`SHA256:...`).
    """

    def __init__(self, git: Git, authenticate: Authenticate, host_keys: Sequence[asyncssh.SSHKey], limits: SshLimits | None = None) -> None:
        self._git = git
        self._host_keys = host_keys
        self.authenticate = authenticate
        self.limits = limits or SshLimits()
        self.connected: Counter[str] = Counter()
        self._conversations = Conversations()
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def listen(self, host: str | None, port: int) -> int:
        """Start to listen, on all interfaces if `host` is None, and return the port."""
        self._acceptor = await asyncssh.listen(
            host or "",
            port,
            server_factory=lambda: Connection(self),
            server_host_keys=list(self._host_keys),
            server_version="SkyPanel",
            encoding=None,
            encryption_algs=list(CIPHERS),
            compression_algs=["none"],
            login_timeout=self.limits.login_s,
            keepalive_interval=self.limits.keepalive_s,
            public_key_auth=True,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_host=None,
            allow_pty=False,
            agent_forwarding=False,
            x11_forwarding=False,
            allow_scp=False,
            config=None,
        )
        return self._acceptor.get_port()

    def channel(self, account: Account, address: str, closed: Callable[[Channel], None]) -> Channel:
        """Return a channel for an account that connects from an address."""
        return Channel(partial(self._begin, account, address), closed, self._git.idle_s)

    async def close(self, grace_s: float) -> None:
        """Stop accepting connections, and cancel conversations that have not ended after `grace_s` seconds."""
        if self._acceptor:
            self._acceptor.close()
            await self._acceptor.wait_closed()
        await self._conversations.close(grace_s)

    def _begin(self, account: Account, address: str, channel: Channel) -> None:
        self._conversations.begin(self._serve(account, address, channel))

    async def _serve(self, account: Account, address: str, channel: Channel) -> None:
        ORIGIN.set(f"ssh {address}")
        status = REFUSED
        try:
            if channel.line is None:
                raise ONLY_GIT
            command = parse(channel.line)
            log.info("%s: %s %s", account.email, command.service, command.name)
            status = await self._git.converse(account, command, channel.protocol, channel)
        except SkyPanelError as error:
            await channel.write_message(refusal_line(error))
        finally:
            channel.exit(status)


class Connection(asyncssh.SSHServer):
    """One client, authenticated by its key and limited to git."""

    def __init__(self, listener: SshListener) -> None:
        self._listener = listener
        self._claimed: Account | None = None
        self._account: Account | None = None
        self._tried = 0
        self._turned_away = False
        self._peer = self._address = ""
        self._timer: asyncio.TimerHandle | None = None
        self._channels: set[Channel] = set()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Count the connection, and compare it with the limits."""
        self._connection = conn
        self._peer = str(conn.get_extra_info("peername", ("",))[0])
        self._address = network(self._peer)
        connected = self._listener.connected
        connected[self._address] += 1
        limits = self._listener.limits
        crowd = max(connected.total() / limits.connections, connected[self._address] / limits.connections_per_address)
        self._turned_away = crowd > 1
        if crowd > 1:
            log.warning("too many connections: %d in all, %d from %s", connected.total(), connected[self._address], self._address)
        if crowd > FLOOD:
            asyncio.get_running_loop().call_soon(conn.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        """Count the connection as closed."""
        self._listener.connected[self._address] -= 1
        if not self._listener.connected[self._address]:
            del self._listener.connected[self._address]
        if self._timer:
            self._timer.cancel()

    def begin_auth(self, username: str) -> bool:
        """Require a key, and send a message to clients with a wrong user name or above the limits.

        Not earlier: a client that is disconnected while it is sending never reads the message.
        """
        if self._turned_away:
            self._connection.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "Too many connections. Try again in a minute.")
        elif username != USER:
            self._connection.send_auth_banner(
                f" !     The only SSH user is {USER}. Use a remote such as ssh://{USER}@<host>:<port>/<app>.git\r\n"
            )
        return True

    def public_key_auth_supported(self) -> bool:
        """Allow public keys, the only method."""
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether an account has this key."""
        self._claimed = None
        self._tried += 1
        if username != USER or self._tried > MAX_KEYS_TRIED:
            return False
        fingerprint = key.get_fingerprint()
        try:
            self._claimed = await self._listener.authenticate(fingerprint)
        except SkyPanelError as error:
            log.warning("cannot look up %s: %s", fingerprint, error)
            self._connection.send_auth_banner(" !     SkyPanel cannot look up keys right now. Try again in a minute.\r\n")
        if self._claimed is None:
            log.info("refused %s from %s: no account has this key", fingerprint, self._address)
        return self._claimed is not None

    def auth_completed(self) -> None:
        """Keep the account of the key that signed. Keys that were only offered do not count."""
        self._account = self._claimed
        self._watch()

    def session_requested(self) -> Channel:
        """Open a channel for a command. Raises ChannelOpenError above MAX_CHANNELS."""
        if self._account is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "Sign in first.")
        if len(self._channels) >= MAX_CHANNELS:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, f"At most {MAX_CHANNELS} commands at once.")
        channel = self._listener.channel(self._account, self._peer, self._closed)
        self._channels.add(channel)
        return channel

    def connection_requested(self, *_address: object) -> bool:
        """Refuse TCP port forwarding."""
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, ONLY_GIT.message)

    def unix_connection_requested(self, *_address: object) -> bool:
        """Refuse Unix socket forwarding."""
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, ONLY_GIT.message)

    def _closed(self, channel: Channel) -> None:
        self._channels.discard(channel)
        self._watch()

    def _watch(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._listener.limits.unused_s, self._leave_if_unused)

    def _leave_if_unused(self) -> None:
        if not any(channel.started for channel in self._channels):
            self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, "No command was given.")
