"""Offers to transfer an app; at most one for each app is pending."""

from sqlalchemy import Select, delete, func, insert, or_, select, update

from skypanel.domain.account import Account
from skypanel.domain.ids import AccountId, AppId, TransferId
from skypanel.domain.transfer import Transfer, TransferState
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.accounts import accounts
from skypanel.store.tables.apps import PENDING_TRANSFER, app_transfers, applications

_SENDERS, _RECIPIENTS = accounts.alias("sender"), accounts.alias("recipient")


async def add(conn: Connection, app_id: AppId, sender_id: AccountId, recipient_id: AccountId) -> TransferId:
    """Add an offer, in place of a pending one, and return its id."""
    await forget(conn, app_id)
    values = {"app_id": app_id, "sender_id": sender_id, "recipient_id": recipient_id, "state": TransferState.PENDING}
    added: TransferId = (await one(conn, insert(app_transfers).values(values).returning(app_transfers.c.id))).id
    return added


async def get(conn: Connection, transfer_id: TransferId) -> Transfer:
    """Return an offer. Raises NotFound."""
    return _read(await found(conn, _transfers().where(app_transfers.c.id == transfer_id), "transfer"))


async def of(conn: Connection, account_id: AccountId) -> list[Transfer]:
    """Return the offers that an account made or received, oldest first."""
    mine = or_(app_transfers.c.sender_id == account_id, app_transfers.c.recipient_id == account_id)
    return [_read(row) for row in await conn.all(_transfers().where(mine).order_by(app_transfers.c.created_at))]


async def pending(conn: Connection, app_id: AppId) -> Transfer | None:
    """Return the pending offer of an app, or None."""
    row = await conn.first(_transfers().where(app_transfers.c.app_id == app_id, PENDING_TRANSFER))
    return None if row is None else _read(row)


async def answer(conn: Connection, transfer_id: TransferId, state: TransferState) -> bool:
    """Record the answer; False if there is one already, or the offer is gone."""
    statement = update(app_transfers).where(app_transfers.c.id == transfer_id, PENDING_TRANSFER)
    return bool(await conn.execute(statement.values(state=state, answered_at=func.clock_timestamp())))


async def withdraw(conn: Connection, transfer_id: TransferId) -> bool:
    """Delete a pending offer; False if it was answered, or is gone."""
    return bool(await conn.execute(delete(app_transfers).where(app_transfers.c.id == transfer_id, PENDING_TRANSFER)))


async def forget(conn: Connection, app_id: AppId) -> None:
    """Delete the pending offer of an app, if any."""
    await conn.execute(delete(app_transfers).where(app_transfers.c.app_id == app_id, PENDING_TRANSFER))


def _transfers() -> Select[Row]:
    people = [
        column.label(f"{role}_{column.name}")
        for role, table in (("sender", _SENDERS), ("recipient", _RECIPIENTS))
        for column in (table.c.email, table.c.is_admin)
    ]
    return (
        select(app_transfers, applications.c.name.label("app_name"), *people)
        .join(applications, applications.c.id == app_transfers.c.app_id)
        .join(_SENDERS, _SENDERS.c.id == app_transfers.c.sender_id)
        .join(_RECIPIENTS, _RECIPIENTS.c.id == app_transfers.c.recipient_id)
    )


def _read(row: Row) -> Transfer:
    return Transfer(
        id=row.id,
        app_id=row.app_id,
        app_name=row.app_name,
        sender=Account(row.sender_id, row.sender_email, row.sender_is_admin),
        recipient=Account(row.recipient_id, row.recipient_email, row.recipient_is_admin),
        state=TransferState(row.state),
        created_at=row.created_at,
        answered_at=row.answered_at,
    )
