"""Changes of config vars."""

from collections.abc import Mapping, Sequence

from skypanel.domain.account import Account
from skypanel.domain.app import App, check_runs
from skypanel.domain.audit import AuditAction
from skypanel.domain.config_vars import check_key, check_value
from skypanel.domain.errors import NotFound
from skypanel.domain.release import Release, ReleaseState, Rollout
from skypanel.flow import audit
from skypanel.flow.release import derive
from skypanel.ports.crypto import Cipher
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import apps, config_vars, releases

HEAD_DEPTH = 50
NAMED = 5  # in the description of a release


async def keys(panel: Panel, app: App) -> Sequence[str]:
    """Return the names of an app's config vars, sorted."""
    async with panel.autocommit() as conn:
        return sorted((await config_vars.head(conn, app.id)).secrets)


async def keys_of(panel: Panel, app: App, version: int) -> Sequence[str]:
    """Return the names of the config vars of a release, sorted. Raises NotFound."""
    async with panel.autocommit() as conn:
        release = await releases.by_version(conn, app.id, version)
        return sorted((await config_vars.get(conn, release.config_version_id)).secrets)


async def put(panel: Panel, app: App, changes: Mapping[str, str | None], by: Account) -> Mapping[str, str | None]:
    """Change config vars, and return the changes; unsetting a missing key is no error. Raises as `change`."""
    known = await keys(panel, app)
    wanted = {key: value for key, value in changes.items() if value is not None or key in known}
    await change(panel, app, wanted, by)
    return wanted


async def change(panel: Panel, app: App, changes: Mapping[str, str | None], by: Account) -> Rollout | None:
    """Set config vars, or unset those whose value is None, and create a release.

    Returns the rollout, or None if nothing changed or nothing has been built yet. Raises Invalid for a bad key or value, NotFound for
    unsetting a missing key, and as `check_runs`. An error changes nothing.
    """
    for key, value in changes.items():
        check_key(key)
        if value is not None:
            check_value(key, value)
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        app = check_runs(await apps.get(conn, app.id))
        head = await config_vars.head(conn, app.id)
        secrets = _changed(panel.cipher, head.secrets, changes)
        if secrets is None:
            return None
        config = await config_vars.add(conn, app.id, secrets, by.id, head.secrets)
        await audit.record(conn, AuditAction.CONFIG_CHANGE, by, app, keys=sorted(changes))
        base = await _base(conn, app)
        if base is None:
            return None
        rollout = await derive(conn, app, slug_id=base.slug_id, config=config, description=_description(changes), by=by)
    await panel.queue.wake(Job.ROLLOUT)
    return rollout


def _changed(cipher: Cipher, secrets: Mapping[str, bytes], changes: Mapping[str, str | None]) -> dict[str, bytes] | None:
    """Return the new encrypted values, or None if nothing changes."""
    result = dict(secrets)
    for key, value in changes.items():
        if value is None:
            if key not in result:
                raise NotFound(f"There is no config var {key}.", "Run `skypanel config` to list those of the app.")
            del result[key]
        elif key not in result or cipher.decrypt(result[key]) != value:
            result[key] = cipher.encrypt(value)
    return None if result == dict(secrets) else result


async def _base(conn: Connection, app: App) -> Release | None:
    """Return the newest release with a slug that is pending or has succeeded; the change applies to it."""
    live = {ReleaseState.PENDING, ReleaseState.SUCCEEDED}
    recent = await releases.recent(conn, app.id, HEAD_DEPTH)
    return next((release for release in recent if release.slug_id is not None and release.state in live), None)


def _description(changes: Mapping[str, str | None]) -> str:
    done = [(("Set" if value is not None else "Unset"), key) for key, value in changes.items()]
    verbs = {verb for verb, _ in done}
    keys = ", ".join(key for _, key in done[:NAMED]) + (f" and {len(done) - NAMED} more" if len(done) > NAMED else "")
    return f"{verbs.pop()} {keys} config vars" if len(verbs) == 1 else f"Change {keys} config vars"
