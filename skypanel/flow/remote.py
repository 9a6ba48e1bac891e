"""Deploys from a git repository on another server: its URL and branch, the deploy key, and builds of its newest commit."""

from skypanel.domain import remote as rules
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.build import Build
from skypanel.domain.errors import NotFound
from skypanel.domain.remote import Remote
from skypanel.domain.transcript import heading
from skypanel.flow import audit, receive, remote_access, submodules
from skypanel.flow import build as build_flow
from skypanel.flow import source as source_flow
from skypanel.flow.remote_access import deploy_key, show
from skypanel.ports.output import WriteLine
from skypanel.ports.panel import Panel
from skypanel.store import remotes

__all__ = ["choose", "clear", "deploy", "deploy_key", "show"]


async def choose(panel: Panel, app: App, by: Account, url: str, branch: str = "") -> Remote:
    """Set the repository and branch that an app is deployed from, after a successful read; the default is the repository's own.

    Raises Invalid, NotFound, Denied, Conflict or Unavailable. An error changes nothing, except that an app with an SSH URL gets a deploy
    key.
    """
    wanted, where = rules.check_branch(branch) if branch.strip() else None, rules.parse_url(url)
    if where.is_ssh:
        await deploy_key(panel, app, by)
    shown = await show(panel, app)
    with remote_access.explained(where, shown):
        found = await panel.remotes.branches(await remote_access.of(panel, app, where, shown))
    remote = Remote(where, rules.choose(found, wanted, where), found.host_key)
    async with panel.transaction() as conn:
        await remotes.put(conn, app.id, remote, by.id)
        key = panel.machines.fingerprint(found.host_key) if found.host_key else None
        await audit.record(conn, AuditAction.REMOTE_CHOOSE, by, app, url=str(where), branch=remote.branch, host_key=key)
    return remote


async def deploy(panel: Panel, app: App, by: Account, write: WriteLine) -> Build:
    """Fetch the app's remote and queue a build; `write` gets the output.

    Raises NotFound if the app has no remote, Conflict as for a push, and the errors of an unusable repository or tree.
    """
    shown = await show(panel, app)
    if shown.remote is None:
        raise NotFound(f"{app.name} has no git URL.", f"Set one: skypanel remote set {app.name} https://...")
    await receive.check_idle(panel, app)
    url, branch = shown.remote.url, shown.remote.branch
    await write(heading(f"Fetching {branch} of {url}"))
    with remote_access.explained(url, shown):
        async with panel.remotes.fetch(await remote_access.of(panel, app, url, shown), branch) as found:
            arrival = source_flow.fetched(app.id, branch, found)
            source = await source_flow.store(panel.repositories, panel.objects, arrival, write, submodules.of(panel, app, by, url))
    build = await build_flow.request(panel, app, by.id, source, write)
    async with panel.transaction() as conn:
        await audit.record(conn, AuditAction.BUILD_REQUEST, by, app, build=str(build.id), source=source.kind, url=str(url), branch=branch)
    return build


async def clear(panel: Panel, app: App, by: Account) -> None:
    """Remove an app's remote; its deploy key stays. Raises NotFound if it has none."""
    async with panel.transaction() as conn:
        if not await remotes.remove(conn, app.id):
            raise NotFound(f"{app.name} has no git URL.")
        await audit.record(conn, AuditAction.REMOTE_CLEAR, by, app)
