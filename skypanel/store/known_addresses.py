"""The addresses from which accounts signed in."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.ids import AccountId
from skypanel.ports.database import Connection
from skypanel.store.tables.accounts import accounts, known_addresses


async def remember(conn: Connection, account_id: AccountId, address: str, life: timedelta) -> None:
    """Remember that an account signed in from an address now, and forget its addresses that were not used within `life`."""
    table = known_addresses
    await conn.execute(delete(table).where(table.c.account_id == account_id, table.c.last_used_at <= func.now() - life))
    values = insert(table).values(account_id=account_id, address=address, last_used_at=func.now())
    await conn.execute(values.on_conflict_do_update(index_elements=["account_id", "address"], set_={"last_used_at": func.now()}))


async def knows(conn: Connection, email: str, address: str, life: timedelta) -> bool:
    """Whether the account with this e-mail address signed in from an address within `life`."""
    table = known_addresses
    statement = (
        select(table.c.address)
        .join(accounts, accounts.c.id == table.c.account_id)
        .where(accounts.c.email == email.lower(), table.c.address == address, table.c.last_used_at > func.now() - life)
    )
    return await conn.first(statement) is not None
