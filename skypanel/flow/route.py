"""Routes: read those in force, and wait until the proxy uses an app's route."""

from collections.abc import Sequence
from dataclasses import dataclass

from skypanel.domain.app import App
from skypanel.domain.errors import Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.routing import Address, Route
from skypanel.flow.configured import plain
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import changes, domains, routes


@dataclass(frozen=True)
class ActiveRoutes:
    """All routes in force, and the state of the database when they were read."""

    state: str
    routes: Sequence[Route]


async def active(panel: Panel, known: str = "") -> ActiveRoutes | None:
    """Return the routes in force; None if the database has not changed since the state `known`."""
    async with panel.autocommit() as conn:
        state = await changes.state(conn)
        return ActiveRoutes(state, await routes.all(conn, await plain(conn))) if state != known else None


async def hosts(conn: Connection, address: Address, app: App) -> tuple[str, ...]:
    """Return the hostnames of an app: the one on the panel's domain, and its verified domains."""
    return (address.host(app.name), *await domains.verified_names(conn, app.id))


async def follow_hosts(conn: Connection, address: Address, app: App) -> None:
    """Let an app's route have its current hostnames, if it has one."""
    if (in_force := await routes.get(conn, app.id)) is not None:
        await routes.put(conn, app.id, await hosts(conn, address, app), in_force.endpoints)


async def confirm(panel: Panel, app_id: AppId) -> None:
    """Return once the proxy uses the app's route in the database. Raises Unavailable.

    A concurrent rollout or rename may change the route meanwhile; then this waits for the newer route.
    """
    route = await _wanted(panel, app_id)
    while True:
        try:
            return await panel.router.confirm([route])
        except Unavailable:
            newer = await _wanted(panel, app_id)
            if newer == route:
                raise
            route = newer


async def _wanted(panel: Panel, app_id: AppId) -> Route:
    async with panel.autocommit() as conn:
        return await routes.in_force(conn, app_id)
