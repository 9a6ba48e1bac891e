"""Organizations and their members."""

from decimal import Decimal

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from skypanel.domain.access import Member, Role
from skypanel.domain.account import Organization
from skypanel.domain.errors import Conflict
from skypanel.domain.figures import OrganizationFigures, PanelFigures
from skypanel.domain.ids import AccountId, OrganizationId, as_id
from skypanel.ports.database import Connection
from skypanel.store import locks, wallets
from skypanel.store.accounts import COLUMNS, HAS_TWO_FACTOR, IN_USE, read
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.accounts import accounts
from skypanel.store.tables.apps import applications
from skypanel.store.tables.organizations import memberships, organizations

_COLUMNS = (organizations.c.id, organizations.c.name, organizations.c.billed, organizations.c.unpaid, organizations.c.held)
_FIGURES = select(
    *_COLUMNS,
    select(func.count()).where(memberships.c.organization_id == organizations.c.id).scalar_subquery().label("members"),
    select(func.count()).where(applications.c.organization_id == organizations.c.id).scalar_subquery().label("apps"),
    wallets.CHARGED.label("charged"),
    wallets.LEFT.label("balance"),
)


async def add(conn: Connection, name: str, *, billed: bool) -> Organization:
    """Add an organization without members. Raises Conflict if the name is taken, in whatever letter case."""
    try:
        return _read(await one(conn, insert(organizations).values(name=name, billed=billed).returning(*_COLUMNS)))
    except Conflict as error:
        raise _taken(name) from error


async def rename(conn: Connection, organization_id: OrganizationId, name: str) -> Organization:
    """Rename an organization. Raises NotFound, and Conflict if another one has the name, in whatever letter case."""
    statement = update(organizations).where(organizations.c.id == organization_id).values(name=name).returning(*_COLUMNS)
    try:
        return _read(await found(conn, statement, "organization"))
    except Conflict as error:
        raise _taken(name) from error


async def get(conn: Connection, organization_id: OrganizationId) -> Organization:
    """Return an organization. Raises NotFound."""
    return _read(await found(conn, select(*_COLUMNS).where(organizations.c.id == organization_id), "organization"))


async def by_name(conn: Connection, name: str) -> Organization | None:
    """Return the organization with this name, in whatever letter case, or None."""
    row = await conn.first(select(*_COLUMNS).where(func.lower(organizations.c.name) == name.lower()))
    return None if row is None else _read(row)


async def named(conn: Connection, text: str) -> Organization | None:
    """Return an organization by its id or name, or None."""
    organization_id = as_id(text)
    if organization_id is None:
        return await by_name(conn, text)
    row = await conn.first(select(*_COLUMNS).where(organizations.c.id == organization_id))
    return None if row is None else _read(row)


async def ids(conn: Connection) -> set[OrganizationId]:
    """Return the ids of all organizations."""
    return {row.id for row in await conn.all(select(organizations.c.id))}


async def set_billed(conn: Connection, organization_id: OrganizationId, *, billed: bool) -> None:
    """Set whether an organization is billed."""
    await conn.execute(update(organizations).where(organizations.c.id == organization_id).values(billed=billed))


async def set_unpaid(conn: Connection, organization_id: OrganizationId, *, unpaid: bool) -> None:
    """Set whether an organization is unpaid. Its apps may run only if it is neither unpaid nor held."""
    await conn.execute(update(organizations).where(organizations.c.id == organization_id).values(unpaid=unpaid))


async def set_held(conn: Connection, organization_id: OrganizationId, *, held: bool) -> None:
    """Set whether an administrator holds an organization. Its apps may run only if it is neither held nor unpaid."""
    await conn.execute(update(organizations).where(organizations.c.id == organization_id).values(held=held))


async def count_owners(conn: Connection, organization_id: OrganizationId) -> int:
    """Return how many owners an organization has."""
    are_owners = (memberships.c.organization_id == organization_id, memberships.c.role == int(Role.OWNER))
    return int((await one(conn, select(func.count().label("number")).where(*are_owners))).number)


async def set_role(conn: Connection, organization_id: OrganizationId, account_id: AccountId, role: Role) -> None:
    """Change a member's role."""
    mine = (memberships.c.organization_id == organization_id, memberships.c.account_id == account_id)
    await conn.execute(update(memberships).where(*mine).values(role=int(role)))


async def remove_member(conn: Connection, organization_id: OrganizationId, account_id: AccountId) -> None:
    """Remove a member."""
    mine = (memberships.c.organization_id == organization_id, memberships.c.account_id == account_id)
    await conn.execute(delete(memberships).where(*mine))


async def lock(conn: Connection, organization_id: OrganizationId) -> None:
    """Until the transaction ends, no other transaction can change the members of an organization."""
    await locks.hold(conn, f"organization {organization_id}")


async def add_member(conn: Connection, organization_id: OrganizationId, account_id: AccountId, role: Role) -> None:
    """Add a member. Raises Conflict if the account is one already."""
    membership = upsert(memberships).values(organization_id=organization_id, account_id=account_id, role=int(role))
    if not await conn.execute(membership.on_conflict_do_nothing()):
        raise Conflict("This account is a member of the organization already.")


async def role(conn: Connection, organization_id: OrganizationId, account_id: AccountId) -> Role | None:
    """Return an account's role in an organization, or None if it is not a member."""
    statement = select(memberships.c.role).where(memberships.c.organization_id == organization_id, memberships.c.account_id == account_id)
    row = await conn.first(statement)
    return None if row is None else Role(row.role)


async def of(conn: Connection, account_id: AccountId) -> list[Organization]:
    """Return the account's organizations, the oldest membership first."""
    statement = (
        select(*_COLUMNS)
        .join(memberships, memberships.c.organization_id == organizations.c.id)
        .where(memberships.c.account_id == account_id)
        .order_by(memberships.c.created_at)
    )
    return [_read(row) for row in await conn.all(statement)]


async def with_roles(conn: Connection, account_id: AccountId) -> list[tuple[Organization, Role]]:
    """Return the account's organizations with its role in each, the oldest membership first."""
    statement = (
        select(*_COLUMNS, memberships.c.role)
        .join(memberships, memberships.c.organization_id == organizations.c.id)
        .where(memberships.c.account_id == account_id)
        .order_by(memberships.c.created_at)
    )
    return [(_read(row), Role(row.role)) for row in await conn.all(statement)]


async def members(conn: Connection, organization_id: OrganizationId) -> list[Member]:
    """Return an organization's members, the oldest membership first."""
    statement = (
        select(*COLUMNS, memberships.c.role, memberships.c.created_at, HAS_TWO_FACTOR.label("has_two_factor"))
        .join(memberships, memberships.c.account_id == accounts.c.id)
        .where(memberships.c.organization_id == organization_id)
        .order_by(memberships.c.created_at)
    )
    rows = await conn.all(statement)
    return [Member(read(row), Role(row.role), row.created_at, has_two_factor=row.has_two_factor) for row in rows]


async def people(conn: Connection, organization_id: OrganizationId) -> list[tuple[Member, bool]]:
    """Return an organization's members, the oldest membership first, each with whether anybody uses the account."""
    statement = (
        select(*COLUMNS, memberships.c.role, memberships.c.created_at, IN_USE.label("in_use"))
        .join(memberships, memberships.c.account_id == accounts.c.id)
        .where(memberships.c.organization_id == organization_id)
        .order_by(memberships.c.created_at)
    )
    return [(Member(read(row), Role(row.role), row.created_at), row.in_use) for row in await conn.all(statement)]


async def remove(conn: Connection, organization_id: OrganizationId) -> None:
    """Delete an organization without apps, and its memberships. Raises NotFound, and Conflict if it has apps."""
    statement = delete(organizations).where(organizations.c.id == organization_id).returning(organizations.c.id)
    try:
        await found(conn, statement, "organization")
    except Conflict as error:
        raise Conflict("An app was added to it meanwhile.", "Delete it again, and choose what becomes of that app.") from error


async def figures(conn: Connection, *, after: str = "", limit: int | None = None) -> list[OrganizationFigures]:
    """Return organizations with their figures in order of name, whatever the letter case.

    The list starts after the name `after`, and has at most `limit`.
    """
    lowered = func.lower(organizations.c.name)
    rows = await conn.all(_FIGURES.where(lowered > after.lower()).order_by(lowered).limit(limit))
    return [_figures(row) for row in rows]


async def search(conn: Connection, text: str, *, offset: int, limit: int) -> list[OrganizationFigures]:
    """Return organizations with a text in their name and their figures, in order of name, without the first `offset`."""
    lowered = func.lower(organizations.c.name)
    rows = await conn.all(_FIGURES.where(_contains(text)).order_by(lowered).offset(offset).limit(limit))
    return [_figures(row) for row in rows]


async def count(conn: Connection, text: str) -> int:
    """Return how many organizations have a text in their name, whatever the letter case."""
    statement = select(func.count().label("number")).select_from(organizations).where(_contains(text))
    return int((await one(conn, statement)).number)


def _contains(text: str) -> ColumnElement[bool]:
    return func.lower(organizations.c.name).contains(text.lower(), autoescape=True)


async def figures_of(conn: Connection, organization_id: OrganizationId) -> OrganizationFigures:
    """Return one organization with its figures. Raises NotFound."""
    return _figures(await found(conn, _FIGURES.where(organizations.c.id == organization_id), "organization"))


async def panel_figures(conn: Connection) -> PanelFigures:
    """Return the totals of the whole panel."""
    are_suspended = or_(organizations.c.unpaid, organizations.c.held)
    statement = select(
        select(func.count()).select_from(organizations).scalar_subquery().label("organizations"),
        select(func.count()).select_from(organizations).where(are_suspended).scalar_subquery().label("suspended"),
        select(func.count()).select_from(accounts).scalar_subquery().label("accounts"),
        select(func.count()).select_from(applications).scalar_subquery().label("apps"),
    )
    row = await one(conn, statement)
    return PanelFigures(row.organizations, row.suspended, row.accounts, row.apps)


def _taken(name: str) -> Conflict:
    return Conflict(f"The name {name} is taken.", "Choose one that differs from others' by more than the case of its letters.")


def _figures(row: Row) -> OrganizationFigures:
    return OrganizationFigures(_read(row), row.members, row.apps, Decimal(row.charged), Decimal(row.balance))


def _read(row: Row) -> Organization:
    return Organization(row.id, row.name, row.billed, row.unpaid, row.held)
