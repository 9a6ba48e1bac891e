"""Reconciliation, the only repair: compare what should run with what runs, and request rollouts where they differ.

A few statements compare all apps at once; their number does not depend on the number of apps. The result is not a snapshot. So apps that
differ are checked again before they are changed.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from skypanel.domain.convergence import Convergence
from skypanel.domain.errors import SkyPanelError
from skypanel.domain.ids import AppId
from skypanel.domain.manifest import ONE_OFF, Dyno, Manifest
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.ports.scheduler import Scheduler
from skypanel.store import apps, organizations, rollouts, routes, standings
from skypanel.store.standings import Settled

REPAIR_PAUSE_S = 300.0
# Further apps wait for the next round, because workers could not finish more before it.
REPAIRS_AT_ONCE = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Found:
    """The result of the first check: apps that may need repair, suspended apps with one-off dynos, and ids of deleted apps with dynos."""

    suspects: Collection[AppId]
    suspended: Collection[AppId]
    gone: Collection[AppId]


async def reconcile(panel: Panel) -> None:
    """Start what is missing and stop what should not run. Idempotent."""
    found = await _compare(panel)
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
    """Remove orphans: leftovers of killed workers and of deleted apps and organizations. Raises Unavailable."""
    async with panel.autocommit() as conn:
        known, owners = await apps.ids(conn), await organizations.ids(conn)
    await panel.upkeep.remove_orphans(known, owners)


async def _compare(panel: Panel) -> _Found:
    running = await _running(panel.scheduler)
    once = {dyno.key.app_id for dyno in await panel.scheduler.one_offs()}
    async with panel.autocommit() as conn:
        # Read after the running dynos: an app exists before its dynos do.
        suspended = await standings.suspended(conn, running.keys() | once)
        by_app = await _standings(conn, running)
    gone = (running.keys() | once) - suspended.keys()
    return _Found(
        suspects={app_id for app_id, standing in by_app.items() if not standing.converged()} - gone,
        suspended={app_id for app_id in once - gone if suspended[app_id]},
        gone=gone,
    )


async def _repair(panel: Panel, suspects: Collection[AppId]) -> None:
    """Check some apps again, and repair those that still differ."""
    async with panel.autocommit() as conn:
        before = set(await standings.settled(conn, suspects, REPAIR_PAUSE_S))
    if not before:
        return
    # No lock is held during the call of the engine, which may hang. Apps with a rollout in the meantime wait for the next round.
    running = await _running(panel.scheduler)
    async with panel.transaction() as conn:
        locked = await standings.lock(conn, [each.app_id for each in before], REPAIRS_AT_ONCE)
        settled = [each for each in await standings.settled(conn, locked, REPAIR_PAUSE_S) if each in before]
        by_app = await _cut_routes(conn, await _standings(conn, running, [each.app_id for each in settled]))
        broken = [each.app_id for each in settled if _needs_repair(each, by_app[each.app_id])]
        if broken:
            log.info("repairing %d apps: %s", len(broken), ", ".join(map(str, broken)))
            await rollouts.repair(conn, broken)
        idle = await apps.by_ids(conn, [each.app_id for each in settled if each.release_id is None and running[each.app_id]])
    if broken:
        await panel.queue.wake(Job.ROLLOUT)
    for app in idle:
        try:
            await panel.scheduler.retire(Manifest.empty(app))
        except SkyPanelError:
            log.exception("the dynos of %s (%s) cannot be stopped", app.name, app.id)


async def _cut_routes(conn: Connection, by_app: Mapping[AppId, Convergence]) -> dict[AppId, Convergence]:
    """Remove endpoints that belong to no dyno of the app from routes, and return the updated standings."""
    own = {app_id: replace(standing, endpoints=standing.own_endpoints()) for app_id, standing in by_app.items()}
    if cut := {app_id: standing.endpoints for app_id, standing in own.items() if standing != by_app[app_id]}:
        await routes.cut(conn, cut)
    return own


def _needs_repair(settled: Settled, standing: Convergence) -> bool:
    """Whether a rollout would help. One that failed recently is not repeated while dynos restart by themselves."""
    return settled.runnable and not standing.converged() and not (settled.failed_lately and standing.waits())


async def _running(scheduler: Scheduler) -> defaultdict[AppId, list[Dyno]]:
    running: defaultdict[AppId, list[Dyno]] = defaultdict(list)
    for dyno in await scheduler.dynos():
        running[dyno.key.app_id].append(dyno)
    return running


async def _standings(
    conn: Connection, running: Mapping[AppId, Sequence[Dyno]], app_ids: Collection[AppId] | None = None
) -> dict[AppId, Convergence]:
    """Return the standings of these apps, or of all apps that have anything to compare."""
    wanted, endpoints = await standings.wanted(conn, app_ids), await standings.endpoints(conn, app_ids)
    compared = wanted.keys() | endpoints.keys() | running.keys() if app_ids is None else app_ids
    return {app_id: Convergence(wanted.get(app_id, frozenset()), running.get(app_id, ()), endpoints.get(app_id, ())) for app_id in compared}
