"""Accounts."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, func, insert, or_, select, update

from skypanel.domain.account import Account, AccountEntry
from skypanel.domain.errors import Conflict
from skypanel.domain.ids import AccountId
from skypanel.ports.database import Connection
from skypanel.store import locks
from skypanel.store.rows import Row, found, one
from skypanel.store.sets import among
from skypanel.store.tables.accounts import accounts, ssh_keys, tokens
from skypanel.store.tables.organizations import memberships
from skypanel.store.tables.two_factor import totp_secrets

COLUMNS = (accounts.c.id, accounts.c.email, accounts.c.is_admin)
# Whoever signs in, pushes or calls must have an enabled account.
ENABLED: ColumnElement[bool] = accounts.c.disabled_at.is_(None)
# Whether anybody signed in to an account, or can without a link.
IN_USE: ColumnElement[bool] = or_(
    accounts.c.signed_in_at.is_not(None),
    accounts.c.password_hash.is_not(None),
    select(ssh_keys.c.id).where(ssh_keys.c.account_id == accounts.c.id).exists(),
    select(tokens.c.id).where(tokens.c.account_id == accounts.c.id).exists(),
)
HAS_TWO_FACTOR: ColumnElement[bool] = (
    select(totp_secrets.c.account_id).where(totp_secrets.c.account_id == accounts.c.id, totp_secrets.c.confirmed_at.is_not(None)).exists()
)
_ENTRIES = select(
    *COLUMNS,
    accounts.c.created_at,
    accounts.c.disabled_at,
    accounts.c.password_hash.is_not(None).label("has_password"),
    select(func.count()).where(ssh_keys.c.account_id == accounts.c.id).scalar_subquery().label("keys"),
    select(func.count()).where(tokens.c.account_id == accounts.c.id).scalar_subquery().label("tokens"),
    select(func.count()).where(memberships.c.account_id == accounts.c.id).scalar_subquery().label("organizations"),
)


async def add(conn: Connection, email: str, *, is_admin: bool = False) -> Account:
    """Add an account. Raises Conflict if the address has one, in whatever letter case."""
    statement = insert(accounts).values(email=email.lower(), is_admin=is_admin).returning(*COLUMNS)
    try:
        return read(await one(conn, statement))
    except Conflict as error:
        raise Conflict(f"{email} has an account already.", "Sign in with it.") from error


async def get(conn: Connection, account_id: AccountId) -> Account:
    """Return an account. Raises NotFound."""
    return read(await found(conn, select(*COLUMNS).where(accounts.c.id == account_id), "account"))


async def by_id(conn: Connection, account_id: AccountId) -> Account | None:
    """Return the account with this id, or None."""
    return read_if(await conn.first(select(*COLUMNS).where(accounts.c.id == account_id)))


async def by_email(conn: Connection, email: str) -> Account | None:
    """Return the account with this address, or None."""
    return read_if(await conn.first(select(*COLUMNS).where(accounts.c.email == email.lower())))


async def entries(conn: Connection) -> list[AccountEntry]:
    """Return all accounts, in order of address."""
    return [_entry(row) for row in await conn.all(_ENTRIES.order_by(accounts.c.email))]


async def count(conn: Connection, text: str) -> int:
    """Return how many accounts have a text in their address."""
    return int((await one(conn, _containing(select(func.count().label("number")).select_from(accounts), text))).number)


async def search(conn: Connection, text: str, *, offset: int, limit: int) -> list[AccountEntry]:
    """Return the accounts with a text in their address, in order of address, without the first `offset`."""
    statement = _containing(_ENTRIES, text).order_by(accounts.c.email).offset(offset).limit(limit)
    return [_entry(row) for row in await conn.all(statement)]


def _containing(statement: Select[Row], text: str) -> Select[Row]:
    return statement.where(accounts.c.email.contains(text.lower(), autoescape=True)) if text else statement


async def entry(conn: Connection, account_id: AccountId) -> AccountEntry:
    """Return an account with its ways to sign in. Raises NotFound."""
    return _entry(await found(conn, _ENTRIES.where(accounts.c.id == account_id), "account"))


async def admins(conn: Connection) -> list[Account]:
    """Return the panel's administrators that are not disabled, oldest first."""
    statement = select(*COLUMNS).where(accounts.c.is_admin, ENABLED).order_by(accounts.c.created_at)
    return [read(row) for row in await conn.all(statement)]


async def credentials(conn: Connection, email: str) -> tuple[Account | None, str | None]:
    """Return the account with this address and its password hash, each None if missing."""
    row = await conn.first(select(*COLUMNS, accounts.c.password_hash).where(accounts.c.email == email.lower()))
    return read_if(row), row and row.password_hash


async def is_in_use(conn: Connection, account_id: AccountId) -> bool:
    """Whether anybody signed in to the account, or can without a link."""
    return bool((await found(conn, select(IN_USE.label("in_use")).where(accounts.c.id == account_id), "account")).in_use)


async def set_password_hash(conn: Connection, account_id: AccountId, hashed: str | None) -> None:
    """Replace the password hash. With None, the account cannot sign in by password."""
    await conn.execute(update(accounts).where(accounts.c.id == account_id).values(password_hash=hashed))


async def lock_admins(conn: Connection) -> None:
    """Until the transaction ends, no other transaction can change who administrates the panel."""
    await locks.hold(conn, "administrators")


async def set_admin(conn: Connection, account_id: AccountId, *, is_admin: bool) -> None:
    """Set whether an account administrates the panel."""
    await conn.execute(update(accounts).where(accounts.c.id == account_id).values(is_admin=is_admin))


async def set_disabled(conn: Connection, account_id: AccountId, *, disabled: bool) -> None:
    """Disable an account, or enable it again."""
    disabled_at = func.coalesce(accounts.c.disabled_at, func.clock_timestamp()) if disabled else None
    await conn.execute(update(accounts).where(accounts.c.id == account_id).values(disabled_at=disabled_at))


async def is_disabled(conn: Connection, account_id: AccountId) -> bool:
    """Whether an account is disabled."""
    return await conn.first(select(accounts.c.id).where(accounts.c.id == account_id, ~ENABLED)) is not None


async def set_email(conn: Connection, account_id: AccountId, email: str) -> None:
    """Replace an account's address. Raises Conflict if another account has it."""
    try:
        await conn.execute(update(accounts).where(accounts.c.id == account_id).values(email=email))
    except Conflict as error:
        raise Conflict(f"{email} has an account already.", "Use another address.") from error


async def emails(conn: Connection, account_ids: Collection[AccountId]) -> dict[AccountId, str]:
    """Return the addresses of these accounts, by id; unknown ids are left out."""
    rows = await conn.all(select(accounts.c.id, accounts.c.email).where(accounts.c.id.in_(account_ids)))
    return {row.id: row.email for row in rows}


def read(row: Row) -> Account:
    """Convert a row of COLUMNS to an account."""
    return Account(row.id, row.email, row.is_admin)


def _entry(row: Row) -> AccountEntry:
    return AccountEntry(read(row), row.created_at, row.has_password, row.keys, row.tokens, row.organizations, row.disabled_at)


def read_if(row: Row | None) -> Account | None:
    """Convert a row of COLUMNS to an account; None stays None."""
    return None if row is None else read(row)


async def muted(conn: Connection, account_id: AccountId) -> Collection[str]:
    """Return the kinds of mail that an account does not want. Raises NotFound."""
    return list((await found(conn, select(accounts.c.muted).where(accounts.c.id == account_id), "account")).muted)


async def set_muted(conn: Connection, account_id: AccountId, kinds: Collection[str]) -> None:
    """Set the kinds of mail that an account does not want."""
    await conn.execute(update(accounts).where(accounts.c.id == account_id).values(muted=list(kinds)))


async def wanting(conn: Connection, account_ids: Collection[AccountId], kind: str) -> list[str]:
    """Return the addresses of those of these accounts that are enabled and want a kind of mail."""
    statement = select(accounts.c.email).where(among(accounts.c.id, account_ids), ENABLED, ~accounts.c.muted.contains([kind]))
    return [row.email for row in await conn.all(statement.order_by(accounts.c.email))]
