"""Remotes: the repository on another server that an app is deployed from, at most one for each app."""

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.ids import AccountId, AppId
from skypanel.domain.remote import Remote, parse_url
from skypanel.ports.database import Connection
from skypanel.store.tables.sources import remotes


async def get(conn: Connection, app_id: AppId) -> Remote | None:
    """Return an app's remote, or None."""
    row = await conn.first(select(remotes).where(remotes.c.app_id == app_id))
    return None if row is None else Remote(parse_url(row.url), row.branch, row.host_key, row.chosen_at)


async def put(conn: Connection, app_id: AppId, remote: Remote, account_id: AccountId) -> None:
    """Set an app's remote, in place of any other."""
    values = {"url": str(remote.url), "branch": remote.branch, "host_key": remote.host_key, "account_id": account_id}
    chosen = insert(remotes).values(app_id=app_id, **values)
    again = {**values, "chosen_at": func.clock_timestamp()}
    await conn.execute(chosen.on_conflict_do_update(index_elements=["app_id"], set_=again))


async def remove(conn: Connection, app_id: AppId) -> bool:
    """Remove an app's remote; False if there was none."""
    return bool(await conn.execute(delete(remotes).where(remotes.c.app_id == app_id)))
