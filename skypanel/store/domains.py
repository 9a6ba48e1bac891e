"""Domains of apps."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from skypanel.domain.domains import Check, Domain
from skypanel.domain.errors import Conflict
from skypanel.domain.ids import AccountId, AppId, DomainId, as_id
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, found, one
from skypanel.store.sets import among
from skypanel.store.tables.domains import VERIFIED, domains


async def add(conn: Connection, app_id: AppId, name: str, token: str, *, account_id: AccountId, next_check_at: datetime) -> Domain:
    """Add a claim, which is not verified. Raises Conflict if the app has the name already."""
    values = {"app_id": app_id, "name": name, "token": token, "account_id": account_id, "next_check_at": next_check_at}
    try:
        return _read(await one(conn, insert(domains).values(values).returning(domains)))
    except Conflict:
        raise Conflict(f"{name} is a domain of this app already.", "Set its DNS records, then check it.") from None


async def of(conn: Connection, app_id: AppId) -> list[Domain]:
    """Return an app's domains, in order of name."""
    return [_read(row) for row in await conn.all(select(domains).where(domains.c.app_id == app_id).order_by(domains.c.name))]


async def verified_names(conn: Connection, app_id: AppId) -> list[str]:
    """Return the names of an app's verified domains, in order."""
    statement = select(domains.c.name).where(domains.c.app_id == app_id, VERIFIED).order_by(domains.c.name)
    return [row.name for row in await conn.all(statement)]


async def find(conn: Connection, app_id: AppId, text: str) -> Domain:
    """Return an app's domain by its name or id. Raises NotFound."""
    domain_id = as_id(text)
    same = domains.c.id == domain_id if domain_id else domains.c.name == text
    return _read(await found(conn, select(domains).where(domains.c.app_id == app_id, same), "domain"))


async def get(conn: Connection, domain_id: DomainId) -> Domain | None:
    """Return a domain, locked until the transaction ends, or None."""
    row = await conn.first(select(domains).where(domains.c.id == domain_id).with_for_update())
    return None if row is None else _read(row)


async def holder(conn: Connection, name: str) -> Domain | None:
    """Return the claim that has proved a name, or None."""
    row = await conn.first(select(domains).where(domains.c.name == name, VERIFIED))
    return None if row is None else _read(row)


async def count(conn: Connection, app_id: AppId) -> int:
    """Return how many domains an app has."""
    return int((await one(conn, select(func.count().label("number")).where(domains.c.app_id == app_id))).number)


async def claim(conn: Connection, now: datetime, until: datetime, limit: int) -> list[Domain]:
    """Return at most `limit` domains whose check is due, those due longest first. They are due again at `until`."""
    due = select(domains.c.id).where(domains.c.next_check_at <= now).order_by(domains.c.next_check_at).limit(limit)
    mine = due.with_for_update(skip_locked=True).scalar_subquery()
    claimed = update(domains).where(domains.c.id.in_(mine)).values(next_check_at=until).returning(domains)
    return [_read(row) for row in await conn.all(claimed)]


async def schedule(conn: Connection, domain_ids: Sequence[DomainId], at: datetime) -> None:
    """Let these domains be checked at a time, and count their attempts anew."""
    await conn.execute(update(domains).where(among(domains.c.id, domain_ids)).values(next_check_at=at, attempts=0))


async def remove(conn: Connection, domain_id: DomainId) -> bool:
    """Remove a domain; False if there was none."""
    return bool(await conn.execute(delete(domains).where(domains.c.id == domain_id)))


def _read(row: Row) -> Domain:
    return Domain(
        id=row.id,
        app_id=row.app_id,
        name=row.name,
        token=row.token,
        created_at=row.created_at,
        verified_at=row.verified_at,
        lost_at=row.lost_at,
        warned_at=row.warned_at,
        checked_at=row.checked_at,
        next_check_at=row.next_check_at,
        attempts=row.attempts,
        last=Check(row.proof_problem, row.leads_here, tuple(row.leads_to), row.address_problem),
    )
