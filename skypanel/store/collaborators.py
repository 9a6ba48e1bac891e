"""Collaborators: accounts with access to one app whose organization they are not a member of."""

from sqlalchemy import delete, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.access import Member, Role
from skypanel.domain.app import App
from skypanel.domain.ids import AccountId, AppId
from skypanel.ports.database import Connection
from skypanel.store import accounts
from skypanel.store.tables.accounts import accounts as accounts_table
from skypanel.store.tables.apps import collaborators
from skypanel.store.tables.organizations import memberships


async def put(conn: Connection, app_id: AppId, account_id: AccountId, role: Role) -> None:
    """Give an account a role on an app, or change its role."""
    statement = insert(collaborators).values(app_id=app_id, account_id=account_id, role=int(role))
    await conn.execute(statement.on_conflict_do_update(index_elements=["app_id", "account_id"], set_={"role": int(role)}))


async def remove(conn: Connection, app_id: AppId, account_id: AccountId) -> bool:
    """Remove an account's access to an app; False if it had none."""
    mine = (collaborators.c.app_id == app_id, collaborators.c.account_id == account_id)
    return bool(await conn.execute(delete(collaborators).where(*mine)))


async def remove_all(conn: Connection, app_id: AppId) -> None:
    """Remove all collaborators of an app."""
    await conn.execute(delete(collaborators).where(collaborators.c.app_id == app_id))


async def of(conn: Connection, app_id: AppId) -> list[Member]:
    """Return an app's collaborators, in order of address."""
    columns = (*accounts.COLUMNS, collaborators.c.role, collaborators.c.created_at, accounts.IN_USE.label("in_use"))
    statement = select(*columns).join_from(collaborators, accounts_table)
    found = await conn.all(statement.where(collaborators.c.app_id == app_id).order_by(accounts_table.c.email))
    return [Member(accounts.read(row), Role(row.role), row.created_at, is_in_use=row.in_use) for row in found]


async def role(conn: Connection, app: App, account_id: AccountId) -> Role | None:
    """Return the account's role on an app, the higher one of member and collaborator; None if it is neither."""
    member = select(memberships.c.role).where(memberships.c.organization_id == app.organization_id, memberships.c.account_id == account_id)
    collaborator = select(collaborators.c.role).where(collaborators.c.app_id == app.id, collaborators.c.account_id == account_id)
    both = union_all(member, collaborator).subquery()
    row = await conn.first(select(func.coalesce(func.max(both.c.role), literal(0)).label("role")))
    return Role(row.role) if row is not None and row.role else None
