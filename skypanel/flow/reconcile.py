"""The only repair: compare what should run with what runs, and ask for a rollout where they differ."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from skypanel.domain.app import App
from skypanel.domain.errors import SkyPanelError
from skypanel.domain.manifest import ONE_OFF, WEB, Dyno, DynoState, Manifest
from skypanel.domain.release import RolloutReason
from skypanel.domain.routing import Route
from skypanel.flow.manifest import manifest_of
from skypanel.ports import Connection, Job, Panel
from skypanel.store import apps, organizations, releases, rollouts, routes

REPAIR_PAUSE_S = 300.0

log = logging.getLogger(__name__)


async def reconcile(panel: Panel) -> None:
    """Bring back what is missing, stop what should not be there; changes nothing where all is well."""
    running: dict[UUID, list[Dyno]] = defaultdict(list)
    for dyno in await panel.scheduler.dynos():
        running[dyno.key.app_id].append(dyno)
    once = {dyno.key.app_id for dyno in await panel.scheduler.one_offs()}
    async with panel.transaction() as conn:
        known = await apps.all(conn)
    for app in known:
        try:
            await _repair(panel, app, running[app.id])
            if app.suspended and app.id in once:
                await panel.scheduler.stop(app.id, ONE_OFF)
        except SkyPanelError:
            log.exception("%s (%s) cannot be repaired", app.name, app.id)
    for app_id in (running.keys() | once) - {app.id for app in known}:
        log.warning("removing the dynos of %s: there is no such app", app_id)
        await panel.scheduler.remove(app_id)


async def tend(panel: Panel) -> None:
    """Have what was left behind removed: of workers that were killed, and of apps and organizations that are gone. Raises Unavailable."""
    async with panel.transaction() as conn:
        known, owners = await apps.all(conn), await organizations.ids(conn)
    await panel.upkeep.tend({app.id for app in known}, owners)


async def _repair(panel: Panel, app: App, dynos: Sequence[Dyno]) -> None:
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        app = await apps.get(conn, app.id)
        if await rollouts.active(conn, app.id):
            return
        route = await _own_route(conn, app, dynos)
        if app.current_release_id is not None:
            manifest = await manifest_of(panel, conn, app, await releases.get(conn, app.current_release_id))
            if converged(manifest, dynos, route) or await _tried_lately(conn, manifest, dynos):
                return
            log.info("repairing %s (%s)", app.name, app.id)
            await rollouts.add(conn, app.id, app.current_release_id, RolloutReason.REPAIR)
    if app.current_release_id is not None:
        await panel.queue.wake(Job.ROLLOUT)
    elif dynos:
        await panel.scheduler.retire(Manifest.empty(app))


async def _own_route(conn: Connection, app: App, dynos: Sequence[Dyno]) -> Route | None:
    """Return the app's route once it leads to nothing but dynos of this app."""
    route = await routes.get(conn, app.id)
    if route is None:
        return None
    own = tuple(endpoint for endpoint in route.endpoints if endpoint in {dyno.endpoint for dyno in dynos})
    if own != route.endpoints:
        await routes.put(conn, app.id, route.hosts, own)
    return replace(route, endpoints=own)


async def _tried_lately(conn: Connection, manifest: Manifest, dynos: Sequence[Dyno]) -> bool:
    """Whether all that can be done was done a moment ago, and failed: the dynos are there, and start again by themselves.

    Where the web dynos are up again all that is missing is their route, for which nobody is to wait.
    """
    alive = [dyno for dyno in dynos if dyno.state is not DynoState.STOPPING]
    is_up = all(dyno.state is DynoState.UP for dyno in alive if dyno.key.process_type == WEB)
    if is_up or {dyno.key for dyno in alive} != set(manifest.dynos()):
        return False
    return await rollouts.failed_lately(conn, manifest.app_id, REPAIR_PAUSE_S)


def converged(manifest: Manifest, dynos: Sequence[Dyno], route: Route | None) -> bool:
    """Whether exactly the manifest's dynos run and the route leads to its web dynos."""
    alive = [dyno for dyno in dynos if dyno.state is not DynoState.STOPPING]
    if {dyno.key for dyno in alive} != set(manifest.dynos()):
        return False
    web = {dyno.endpoint for dyno in alive if dyno.key.process_type == WEB}
    return web == set(route.endpoints if route else ())
