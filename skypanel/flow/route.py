"""Routes: which are in force, and bringing an app's into force."""

from collections.abc import Sequence
from dataclasses import dataclass

from skypanel.domain.errors import Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.routing import Route
from skypanel.ports.panel import Panel
from skypanel.store import changes, routes


@dataclass(frozen=True)
class InForce:
    """All routes in force, and the state of the database that they are of."""

    state: str
    routes: Sequence[Route]


async def look(panel: Panel, known: str = "") -> InForce | None:
    """Return the routes in force; None where nothing in the database has changed since the `known` state."""
    async with panel.autocommit() as conn:
        state = await changes.state(conn)
        return InForce(state, await routes.all(conn)) if state != known else None


async def confirm(panel: Panel, app_id: AppId) -> None:
    """Return once the proxy has what the database says of an app's hostnames. Raises Unavailable.

    A rollout and a rename may be at work on one app: who is overtaken while it waits, waits for the newer route.
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
