"""Health checks: changing them, and what web dynos report about them."""

from collections.abc import Mapping
from dataclasses import replace

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.health import check_interval, check_path
from skypanel.domain.log import LogQuery, Source
from skypanel.domain.manifest import WEB
from skypanel.domain.release import Rollout, RolloutReason
from skypanel.flow import audit
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import apps, rollouts

LOOKED_AT_LINES = 1000

# The line that a web dyno logs after its first answer (host/dyno/health.sh).
_CHOSEN = "Checks the health at "


async def chosen(panel: Panel, app: App) -> Mapping[str, str]:
    """Return what web dynos said they check, a path or the port, by dyno name.

    A dyno is missing if its line is no longer among the last LOOKED_AT_LINES about web dynos.
    """
    query = LogQuery(dyno=WEB, sources=frozenset({Source.SYSTEM}), limit=LOOKED_AT_LINES)
    return {line.dyno: line.text async for line in panel.logs.read(app, query) if line.text.startswith(_CHOSEN)}


async def change(panel: Panel, app: App, by: Account, *, path: str | None = None, interval_s: int | None = None) -> Rollout | None:
    """Set the path, the interval in seconds, or both, and replace the dynos, so that the new check applies.

    Returns the rollout, or None if nothing changed or nothing runs yet. Raises Invalid.
    """
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        app = await apps.get(conn, app.id)
        wanted = replace(
            app.health,
            path=app.health.path if path is None else check_path(path),
            interval_s=app.health.interval_s if interval_s is None else check_interval(interval_s),
        )
        if wanted == app.health:
            return None
        await apps.set_health(conn, app.id, wanted)
        await audit.record(conn, AuditAction.APP_HEALTH, by, app, path=wanted.path, interval_s=wanted.interval_s)
        if app.current_release_id is None:
            return None
        rollout = await rollouts.add(conn, app.id, app.current_release_id, RolloutReason.RESTART)
    await panel.queue.wake(Job.ROLLOUT)
    return rollout
