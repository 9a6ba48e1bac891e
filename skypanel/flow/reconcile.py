"""The only repair: compare what should run with what runs, and ask for a rollout where they differ.

All apps are compared at once, from a few statements whose number does not depend on theirs. That picture is not of one
moment: whoever stands out in it is looked at once more before anything is done about it.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from skypanel.domain.convergence import Standing
from skypanel.domain.errors import SkyPanelError
from skypanel.domain.ids import AppId
from skypanel.domain.manifest import ONE_OFF, Dyno, Manifest
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import apps, organizations, rollouts, routes, standings
from skypanel.store.standings import Settled

REPAIR_PAUSE_S = 300.0
# More are left to the next round: workers would not come to them before it.
REPAIRS_AT_ONCE = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Found:
    """What stands out at the first look: apps that may have to be repaired, suspended ones with one-off dynos, ids of none."""

    suspects: Collection[AppId]
    suspended: Collection[AppId]
    gone: Collection[AppId]


async def reconcile(panel: Panel) -> None:
    """Bring back what is missing, stop what should not be there; changes nothing where all is well."""
    found = await _look(panel)
    if found.suspects:
        await _repair(panel, found.suspects)
    for app_id in found.suspended:
        try:
            await panel.scheduler.stop(app_id, ONE_OFF)
        except SkyPanelError:
            log.exception("the one-off dynos of %s cannot be stopped", app_id)
    for app_id in found.gone:
        log.warning("removing the dynos of %s: there is no such app", app_id)
        await panel.scheduler.remove(app_id)


async def remove_orphans(panel: Panel) -> None:
    """Have what was left behind removed: of workers that were killed, and of apps and organizations that are gone. Raises Unavailable."""
    async with panel.autocommit() as conn:
        known, owners = await apps.ids(conn), await organizations.ids(conn)
    await panel.upkeep.remove_orphans(known, owners)


async def _look(panel: Panel) -> _Found:
    running = await _running(panel)
    once = {dyno.key.app_id for dyno in await panel.scheduler.one_offs()}
    async with panel.autocommit() as conn:
        # Read after what runs: an app is there before its dynos.
        suspended = await standings.suspended(conn, running.keys() | once)
        stand = await _standings(conn, running)
    gone = (running.keys() | once) - suspended.keys()
    return _Found(
        suspects={app_id for app_id, standing in stand.items() if not standing.converged()} - gone,
        suspended={app_id for app_id in once - gone if suspended[app_id]},
        gone=gone,
    )


async def _repair(panel: Panel, suspects: Collection[AppId]) -> None:
    """Look at some apps again, and repair those that still stand out."""
    async with panel.autocommit() as conn:
        before = set(await standings.settled(conn, suspects, REPAIR_PAUSE_S))
    if not before:
        return
    # No lock is held over the engine, which may hang. Apps of which anything was rolled out meanwhile are left to the next round.
    running = await _running(panel)
    async with panel.transaction() as conn:
        locked = await standings.lock(conn, [each.app_id for each in before], REPAIRS_AT_ONCE)
        settled = [each for each in await standings.settled(conn, locked, REPAIR_PAUSE_S) if each in before]
        stand = await _cut_routes(conn, await _standings(conn, running, [each.app_id for each in settled]))
        wrong = [each.app_id for each in settled if _is_wrong(each, stand[each.app_id])]
        if wrong:
            log.info("repairing %d apps: %s", len(wrong), ", ".join(map(str, wrong)))
            await rollouts.repair(conn, wrong)
        idle = await apps.by_ids(conn, [each.app_id for each in settled if each.release_id is None and running[each.app_id]])
    if wrong:
        await panel.queue.wake(Job.ROLLOUT)
    for app in idle:
        try:
            await panel.scheduler.retire(Manifest.empty(app))
        except SkyPanelError:
            log.exception("the dynos of %s (%s) cannot be stopped", app.name, app.id)


async def _cut_routes(conn: Connection, stand: Mapping[AppId, Standing]) -> dict[AppId, Standing]:
    """Have no route lead to what is no dyno of its app, and return how the apps stand then."""
    own = {app_id: replace(standing, endpoints=standing.own_endpoints()) for app_id, standing in stand.items()}
    if cut := {app_id: standing.endpoints for app_id, standing in own.items() if standing != stand[app_id]}:
        await routes.cut(conn, cut)
    return own


def _is_wrong(settled: Settled, standing: Standing) -> bool:
    """Whether a rollout would mend something: one that failed a moment ago is not repeated where dynos start again by themselves."""
    return settled.runnable and not standing.converged() and not (settled.failed_lately and standing.waits())


async def _running(panel: Panel) -> defaultdict[AppId, list[Dyno]]:
    running: defaultdict[AppId, list[Dyno]] = defaultdict(list)
    for dyno in await panel.scheduler.dynos():
        running[dyno.key.app_id].append(dyno)
    return running


async def _standings(
    conn: Connection, running: Mapping[AppId, Sequence[Dyno]], app_ids: Collection[AppId] | None = None
) -> dict[AppId, Standing]:
    """Return how some apps stand, or all that have something to be compared."""
    wanted, endpoints = await standings.wanted(conn, app_ids), await standings.endpoints(conn, app_ids)
    compared = wanted.keys() | endpoints.keys() | running.keys() if app_ids is None else app_ids
    return {app_id: Standing(wanted.get(app_id, frozenset()), running.get(app_id, ()), endpoints.get(app_id, ())) for app_id in compared}
