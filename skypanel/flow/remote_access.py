"""Access to git repositories on other servers: an app's deploy key, and the known host key of the server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from skypanel.domain import remote as rules
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, Denied
from skypanel.domain.internet import read_networks
from skypanel.domain.remote import GitUrl, Remote, RemoteAccess
from skypanel.flow import audit
from skypanel.flow.configured import value
from skypanel.ports.panel import Panel
from skypanel.store import deploy_keys, remotes


@dataclass(frozen=True)
class RemoteInfo:
    """An app's remote, and the public key of its deploy key, each None if missing."""

    remote: Remote | None
    public_key: str | None


async def show(panel: Panel, app: App) -> RemoteInfo:
    """Return an app's remote and public deploy key."""
    async with panel.autocommit() as conn:
        return RemoteInfo(await remotes.get(conn, app.id), await deploy_keys.public_key(conn, app.id))


async def deploy_key(panel: Panel, app: App, by: Account) -> str:
    """Return an app's public deploy key; creates the key if it is missing.

    Raises Conflict if another call creates it at the same moment.
    """
    async with panel.transaction() as conn:
        known = await deploy_keys.public_key(conn, app.id)
        if known is not None:
            return known
        made = panel.remotes.new_key()
        public = f"{made.public_key} {app.name}@{panel.address.domain}"
        if await deploy_keys.add(conn, app.id, public, panel.cipher.encrypt(made.private_key)):
            await audit.record(conn, AuditAction.DEPLOY_KEY_ADD, by, app, public_key=public)
            return public
    raise Conflict("The app's deploy key is being made.", "Try again.")


NO_KEY = RemoteInfo(None, None)


async def to_public(panel: Panel, url: GitUrl) -> RemoteAccess:
    """Return what is needed to access a public repository."""
    async with panel.autocommit() as conn:
        return RemoteAccess(url, read_networks(str(await value(conn, "git_networks"))))


async def of(panel: Panel, app: App, url: GitUrl, shown: RemoteInfo) -> RemoteAccess:
    """Return what an app needs to access a repository."""
    async with panel.autocommit() as conn:
        networks = read_networks(str(await value(conn, "git_networks")))
        secret = await deploy_keys.secret(conn, app.id) if url.is_ssh else None
    pinned = shown.remote.host_key if shown.remote and shown.remote.url.is_at(url) else None
    return RemoteAccess(url, networks, panel.cipher.decrypt(secret) if secret else None, pinned)


@contextmanager
def explained(url: GitUrl, shown: RemoteInfo) -> Iterator[None]:
    """Add a hint to Denied errors: how the app's deploy key gives access to the repository."""
    try:
        yield
    except Denied as error:
        if error.hint:
            raise
        raise rules.refused(url, shown.public_key, error.message) from error
