"""Who owns apps, and who may act for it."""

from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from skypanel.domain.access import Role
from skypanel.domain.account import Organization
from skypanel.domain.errors import Conflict
from skypanel.ports import Connection
from skypanel.store.rows import Row, found, one
from skypanel.store.tables import memberships, organizations

_COLUMNS = (organizations.c.id, organizations.c.name, organizations.c.billed)


async def add(conn: Connection, name: str, *, billed: bool) -> Organization:
    """Add an organization without members."""
    return _read(await one(conn, insert(organizations).values(name=name, billed=billed).returning(*_COLUMNS)))


async def get(conn: Connection, organization_id: UUID) -> Organization:
    """Return an organization. Raises NotFound."""
    return _read(await found(conn, select(*_COLUMNS).where(organizations.c.id == organization_id), "organization"))


async def add_member(conn: Connection, organization_id: UUID, account_id: UUID, role: Role) -> None:
    """Add a member. Raises Conflict if the account is one already."""
    membership = upsert(memberships).values(organization_id=organization_id, account_id=account_id, role=int(role))
    if not await conn.execute(membership.on_conflict_do_nothing()):
        raise Conflict("This account is a member of the organization already.")


async def role(conn: Connection, organization_id: UUID, account_id: UUID) -> Role | None:
    """Return what an account may do in an organization, or None if it is no member."""
    statement = select(memberships.c.role).where(memberships.c.organization_id == organization_id, memberships.c.account_id == account_id)
    row = await conn.first(statement)
    return None if row is None else Role(row.role)


async def of(conn: Connection, account_id: UUID) -> list[Organization]:
    """Return the organizations that an account is a member of, its oldest membership first."""
    statement = (
        select(*_COLUMNS)
        .join(memberships, memberships.c.organization_id == organizations.c.id)
        .where(memberships.c.account_id == account_id)
        .order_by(memberships.c.created_at)
    )
    return [_read(row) for row in await conn.all(statement)]


def _read(row: Row) -> Organization:
    return Organization(row.id, row.name, row.billed)
