"""New releases of existing slugs: rollbacks and changed config vars."""

from collections.abc import Sequence

from skypanel.domain.account import Account
from skypanel.domain.app import App, check_runs
from skypanel.domain.audit import AuditAction
from skypanel.domain.config_vars import ConfigVersion
from skypanel.domain.errors import Conflict, Unavailable
from skypanel.domain.ids import SlugId
from skypanel.domain.release import Release, Rollout, RolloutReason
from skypanel.domain.storage import ObjectKind
from skypanel.flow import audit
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import apps, config_vars, releases, rollouts, slugs


async def recent(panel: Panel, app: App, limit: int) -> Sequence[Release]:
    """Return at most `limit` of an app's releases, newest first."""
    async with panel.autocommit() as conn:
        return await releases.recent(conn, app.id, limit)


async def roll_back(panel: Panel, app: App, version: int | None, by: Account) -> Rollout:
    """Release the slug of an earlier version with the current config vars; by default that of the previous release.

    Raises NotFound or Conflict if there is no such version to run, Unavailable if its slug is not in storage, and as `check_runs`.
    """
    async with panel.autocommit() as conn:
        check_runs(await apps.get(conn, app.id))
        target = await releases.by_version(conn, app.id, version) if version is not None else await _previous(conn, app)
        if target.proven_slug_id is None:
            raise Conflict(f"v{target.version} never went live.", "Choose a version that `skypanel releases` shows as succeeded.")
        slug = await slugs.get(conn, target.proven_slug_id)
    if not await panel.objects.exists(ObjectKind.SLUGS, slug.digest):
        raise Unavailable(f"The slug of v{target.version} is not in storage.", "Push its commit again.")
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        config = await config_vars.head(conn, app.id)
        rollout = await derive(conn, app, slug_id=slug.id, config=config, description=f"Rollback to v{target.version}", by=by)
        await audit.record(conn, AuditAction.RELEASE_ROLLBACK, by, app, version=target.version)
    await panel.queue.wake(Job.ROLLOUT)
    return rollout


async def derive(conn: Connection, app: App, *, slug_id: SlugId | None, config: ConfigVersion, description: str, by: Account) -> Rollout:
    """Add a release and its rollout in the caller's transaction."""
    release = await releases.add(conn, app.id, slug_id=slug_id, config_version_id=config.id, description=description, account_id=by.id)
    return await rollouts.add(conn, app.id, release.id, RolloutReason.RELEASE)


async def _previous(conn: Connection, app: App) -> Release:
    """Return the newest release before the current one that went live with a slug."""
    app = await apps.get(conn, app.id)
    if app.current_release_id is None:
        raise Conflict(f"{app.name} has no release yet.", "Push to it first.")
    current = await releases.get(conn, app.current_release_id)
    for release in await releases.recent(conn, app.id, 100):
        if release.version < current.version and release.proven_slug_id is not None:
            return release
    raise Conflict(f"{app.name} has no release before v{current.version}.")
