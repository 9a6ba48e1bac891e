"""Deploying from a git repository elsewhere: choosing its URL and branch, the key to it, and building what is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from skypanel.domain import remote as rules
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.build import Build
from skypanel.domain.errors import Conflict, Denied, NotFound
from skypanel.domain.internet import read_networks
from skypanel.domain.remote import Entrance, GitUrl, Remote
from skypanel.domain.transcript import heading
from skypanel.flow import audit, receive
from skypanel.flow import build as build_flow
from skypanel.flow import source as source_flow
from skypanel.flow.configured import value
from skypanel.ports import Panel, WriteLine
from skypanel.store import deploy_keys, remotes


@dataclass(frozen=True)
class Shown:
    """What an app is deployed from, if that was chosen, and the public half of its deploy key, if it has one."""

    remote: Remote | None
    public_key: str | None


async def show(panel: Panel, app: App) -> Shown:
    """Return what an app is deployed from."""
    async with panel.transaction() as conn:
        return Shown(await remotes.get(conn, app.id), await deploy_keys.public_key(conn, app.id))


async def choose(panel: Panel, app: App, by: Account, url: str, branch: str = "") -> Remote:
    """Set what an app is deployed from, once it can be read: the branch that is named, or else the repository's default.

    Raises Invalid, NotFound, Denied, Conflict or Unavailable, and has changed nothing then, but that an app whose
    URL is for SSH has a deploy key from then on.
    """
    wanted, where = rules.check_branch(branch) if branch.strip() else None, rules.parse_url(url)
    if where.is_ssh:
        await deploy_key(panel, app, by)
    shown = await show(panel, app)
    with _explained(where, shown):
        found = await panel.remotes.branches(await _entrance(panel, app, where, shown))
    remote = Remote(where, rules.choose(found, wanted, where), found.host_key)
    async with panel.transaction() as conn:
        await remotes.put(conn, app.id, remote, by.id)
        key = panel.machines.fingerprint(found.host_key) if found.host_key else None
        await audit.record(conn, "remote.choose", by, app, url=str(where), branch=remote.branch, host_key=key)
    return remote


async def deploy(panel: Panel, app: App, by: Account, write: WriteLine) -> Build:
    """Fetch what the app is deployed from, and queue its build; `write` is told what came.

    Raises NotFound where no URL is set, Conflict as for a push, and what makes a repository or its tree unfit.
    """
    shown = await show(panel, app)
    if shown.remote is None:
        raise NotFound(f"{app.name} has no git URL.", f"Set one: skypanel remote set {app.name} https://...")
    await receive.check_idle(panel, app)
    url, branch = shown.remote.url, shown.remote.branch
    await write(heading(f"Fetching {branch} of {url}"))
    with _explained(url, shown):
        async with panel.remotes.fetch(await _entrance(panel, app, url, shown), branch) as found:
            arrival = source_flow.fetched(app.id, branch, found)
            source = await source_flow.store(panel.repositories, panel.objects, arrival, write)
    build = await build_flow.request(panel, app, by.id, source, write)
    async with panel.transaction() as conn:
        await audit.record(conn, "build.request", by, app, build=str(build.id), source=source.kind, url=str(url), branch=branch)
    return build


async def clear(panel: Panel, app: App, by: Account) -> None:
    """Forget what an app is deployed from; its deploy key stays. Raises NotFound if nothing was chosen."""
    async with panel.transaction() as conn:
        if not await remotes.remove(conn, app.id):
            raise NotFound(f"{app.name} has no git URL.")
        await audit.record(conn, "remote.clear", by, app)


async def deploy_key(panel: Panel, app: App, by: Account) -> str:
    """Return the public half of an app's deploy key, which is made where there is none."""
    async with panel.transaction() as conn:
        known = await deploy_keys.public_key(conn, app.id)
        if known is not None:
            return known
        made = panel.remotes.new_key()
        public = f"{made.public_key} {app.name}@{panel.address.domain}"
        if await deploy_keys.add(conn, app.id, public, panel.cipher.encrypt(made.private_key)):
            await audit.record(conn, "deploy_key.add", by, app, public_key=public)
            return public
    raise Conflict("The app's deploy key is being made.", "Try again.")


async def _entrance(panel: Panel, app: App, url: GitUrl, shown: Shown) -> Entrance:
    async with panel.transaction() as conn:
        networks = read_networks(str(await value(conn, "git_networks")))
        secret = await deploy_keys.secret(conn, app.id) if url.is_ssh else None
    pinned = shown.remote.host_key if shown.remote and shown.remote.url.is_at(url) else None
    return Entrance(url, networks, panel.cipher.decrypt(secret) if secret else None, pinned)


@contextmanager
def _explained(url: GitUrl, shown: Shown) -> Iterator[None]:
    """Say to who is denied how the app's deploy key opens the repository."""
    try:
        yield
    except Denied as error:
        if error.hint:
            raise
        raise rules.refused(url, shown.public_key, error.message) from error
