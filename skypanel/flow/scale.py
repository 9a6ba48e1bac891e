"""Scaling, restarts and stops."""

from collections.abc import Mapping, Sequence

from skypanel.domain import names
from skypanel.domain.account import Account
from skypanel.domain.app import App, check_runs
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.manifest import RELEASE_PHASE
from skypanel.domain.release import Rollout, RolloutReason
from skypanel.flow import audit
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import apps, formation, releases, rollouts, slugs


async def quantities(panel: Panel, app: App) -> Mapping[str, int]:
    """Return how many dynos of each process type should run."""
    async with panel.autocommit() as conn:
        return await formation.get(conn, app.id)


async def scale(
    panel: Panel, app: App, quantities: Mapping[str, int], by: Account, *, added: Mapping[str, int] | None = None
) -> Rollout | None:
    """Set the quantities of process types, or change them by `added`, all or none, and start a rollout.

    Returns the rollout, or None if nothing runs yet. Raises NotFound for an unknown type, Invalid above the plan's max_replicas, and as
    `check_runs`.
    """
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        app = check_runs(await apps.get(conn, app.id))
        known = await _known(conn, app)
        wanted = {**quantities, **{name: known.get(name, 0) + more for name, more in (added or {}).items()}}
        for process_type, quantity in wanted.items():
            if process_type not in known or process_type == RELEASE_PHASE:
                raise NotFound(
                    f"{app.name} has no process type {process_type} to scale.",
                    f"It has: {', '.join(known) or 'none until the first push'}.",
                )
            await formation.put(conn, app.id, process_type, app.plan.check_quantity(process_type, quantity))
        await audit.record(conn, AuditAction.APP_SCALE, by, app, quantities=wanted)
        if app.current_release_id is None:
            return None
        rollout = await rollouts.add(conn, app.id, app.current_release_id, RolloutReason.SCALE)
    await panel.queue.wake(Job.ROLLOUT)
    return rollout


async def _known(conn: Connection, app: App) -> dict[str, int]:
    """Return the process types and their quantities. Once there is a current release, only its types are included."""
    quantities = await formation.get(conn, app.id)
    release = await releases.get(conn, app.current_release_id) if app.current_release_id else None
    if release is None or release.slug_id is None:
        return quantities
    types = (await slugs.get(conn, release.slug_id)).process_types
    return {name: quantity for name, quantity in quantities.items() if name in types}


async def restart(panel: Panel, app: App, by: Account) -> Rollout:
    """Replace every dyno with a new one of the same release, without a failed request.

    Raises Conflict without a release, and as `check_runs`.
    """
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        app = check_runs(await apps.get(conn, app.id))
        if app.current_release_id is None:
            raise Conflict(f"{app.name} has no release yet.", "Push to it first.")
        rollout = await rollouts.add(conn, app.id, app.current_release_id, RolloutReason.RESTART)
        await audit.record(conn, AuditAction.APP_RESTART, by, app)
    await panel.queue.wake(Job.ROLLOUT)
    return rollout


async def stop(panel: Panel, app: App, dyno: str, by: Account) -> Sequence[str]:
    """Stop one dyno such as web.1, or all of a process type; dynos of the formation start again.

    Returns the names of the dynos that got the signal. Raises NotFound if none runs.
    """
    stopped = await panel.scheduler.stop(app.id, dyno) if names.is_dyno(dyno) else ()
    if not stopped:
        raise NotFound(f"{app.name} runs no dyno {names.printable(dyno)}.", f"`skypanel ps {app.name}` shows what runs.")
    async with panel.transaction() as conn:
        await audit.record(conn, AuditAction.DYNO_STOP, by, app, dynos=list(stopped))
    return stopped
