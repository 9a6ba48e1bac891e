"""The only repair: compare what should run with what runs, and ask for a rollout where they differ."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from skypanel.domain.app import App
from skypanel.domain.manifest import WEB, Dyno, DynoState, Manifest
from skypanel.domain.release import RolloutReason
from skypanel.domain.routing import Route
from skypanel.flow.manifest import manifest_of
from skypanel.ports import Job, Panel
from skypanel.store import apps, releases, rollouts, routes

log = logging.getLogger(__name__)


async def reconcile(panel: Panel) -> None:
    """Bring back what is missing, stop what should not be there; changes nothing where all is well."""
    running: dict[UUID, list[Dyno]] = defaultdict(list)
    for dyno in await panel.scheduler.dynos():
        running[dyno.key.app_id].append(dyno)
    async with panel.transaction() as conn:
        known = await apps.all(conn)
        in_force = {route.app_id: route for route in await routes.all(conn)}
    for app in known:
        await _repair(panel, app, running[app.id], in_force.get(app.id))
    for app_id in running.keys() - {app.id for app in known}:
        log.warning("removing the dynos of %s: there is no such app", app_id)
        await panel.scheduler.remove(app_id)


async def _repair(panel: Panel, app: App, dynos: Sequence[Dyno], route: Route | None) -> None:
    if app.current_release_id is None:
        return
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        if await rollouts.active(conn, app.id):
            return
        manifest = await manifest_of(panel, conn, app, await releases.get(conn, app.current_release_id))
        if converged(manifest, dynos, route):
            return
        log.info("repairing %s (%s)", app.name, app.id)
        await rollouts.add(conn, app.id, app.current_release_id, RolloutReason.REPAIR)
    await panel.queue.wake(Job.ROLLOUT)


def converged(manifest: Manifest, dynos: Sequence[Dyno], route: Route | None) -> bool:
    """Whether exactly the manifest's dynos run and the route leads to its web dynos."""
    alive = [dyno for dyno in dynos if dyno.state is not DynoState.STOPPING]
    if {dyno.key for dyno in alive} != set(manifest.dynos()):
        return False
    web = {dyno.endpoint for dyno in alive if dyno.key.process_type == WEB}
    return web == set(route.endpoints if route else ())
