"""Routes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Text, Uuid, column, delete, func, select, update, values
from sqlalchemy.dialects.postgresql import ARRAY, insert

from skypanel.domain.http_rules import rules
from skypanel.domain.ids import AppId
from skypanel.domain.routing import Route
from skypanel.ports.database import Connection
from skypanel.store.apps import own_http_rules
from skypanel.store.rows import Row
from skypanel.store.tables.apps import LED_ROUTE, applications, routes

_RULES = (applications.c.first_byte_timeout_s, applications.c.idle_timeout_s, applications.c.https_redirect)
_IN_FORCE = select(routes, *_RULES).join(applications, applications.c.id == routes.c.app_id).where(~applications.c.maintenance)


async def put(conn: Connection, app_id: AppId, hosts: Sequence[str], endpoints: Sequence[str]) -> None:
    """Set an app's hostnames, and the endpoints (host:port) that serve them."""
    route = {"hosts": list(hosts), "endpoints": list(endpoints), "updated_at": func.clock_timestamp()}
    await conn.execute(insert(routes).values(app_id=app_id, **route).on_conflict_do_update(index_elements=["app_id"], set_=route))


async def cut(conn: Connection, endpoints: Mapping[AppId, Sequence[str]]) -> None:
    """Replace the endpoints in the routes of these apps; their hostnames stay."""
    led = values(column("app_id", Uuid), column("endpoints", ARRAY(Text)), name="led").data(
        [(app_id, list(to)) for app_id, to in endpoints.items()]
    )
    changed = {"endpoints": led.c.endpoints, "updated_at": func.clock_timestamp()}
    await conn.execute(update(routes).where(routes.c.app_id == led.c.app_id).values(changed))


async def get(conn: Connection, app_id: AppId) -> Route | None:
    """Return an app's route, even in maintenance mode, or None."""
    row = await conn.first(select(routes).where(routes.c.app_id == app_id))
    return None if row is None else _read(row)


async def in_force(conn: Connection, app_id: AppId) -> Route:
    """Return the route that the proxy should have for an app: empty if it has none, or is in maintenance mode."""
    row = await conn.first(_IN_FORCE.where(routes.c.app_id == app_id))
    return Route(app_id, (), ()) if row is None else _read(row)


async def all(conn: Connection, values: Mapping[str, object]) -> list[Route]:  # noqa: A001 - callers write routes.all
    """Return every route in force that has endpoints, with its rules under the panel's settings, `values`.

    An app in maintenance mode has none, so the panel answers its requests.
    """
    rows = await conn.all(_IN_FORCE.where(LED_ROUTE).order_by(routes.c.app_id))
    return [replace(_read(row), rules=rules(own_http_rules(row), values)) for row in rows]


async def remove(conn: Connection, app_id: AppId) -> None:
    """Remove an app's route."""
    await conn.execute(delete(routes).where(routes.c.app_id == app_id))


def _read(row: Row) -> Route:
    return Route(row.app_id, tuple(row.hosts), tuple(row.endpoints))
