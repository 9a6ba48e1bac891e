"""Uploads. Each belongs to one account, and accepts one archive."""

from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from skypanel.domain.ids import AccountId, UploadId
from skypanel.domain.upload import Upload
from skypanel.ports.database import Connection
from skypanel.store import expiry, locks
from skypanel.store.rows import Row, one
from skypanel.store.tables.sources import uploads


async def has_room(conn: Connection, account_id: AccountId, most: int) -> bool:
    """Whether an account may have one more upload; deletes its expired ones."""
    await locks.hold(conn, f"uploads of {account_id}")
    await conn.execute(delete(uploads).where(uploads.c.account_id == account_id, expiry.expired(uploads)))
    row = await one(conn, select(func.count().label("number")).where(uploads.c.account_id == account_id))
    return int(row.number) < most


async def add(conn: Connection, account_id: AccountId, put_digest: str, expires_at: datetime) -> Upload:
    """Add an empty upload."""
    values = {"account_id": account_id, "put_digest": put_digest, "expires_at": expires_at}
    return _read(await one(conn, insert(uploads).values(values).returning(uploads)))


async def by_put_digest(conn: Connection, put_digest: str) -> Upload | None:
    """Return the unexpired upload with this digest of its secret, or None."""
    return _read_if(await conn.first(select(uploads).where(uploads.c.put_digest == put_digest, expiry.valid(uploads))))


async def of(conn: Connection, account_id: AccountId, upload_id: UploadId) -> Upload | None:
    """Return an account's unexpired upload, or None."""
    mine = (uploads.c.id == upload_id) & (uploads.c.account_id == account_id)
    return _read_if(await conn.first(select(uploads).where(mine, expiry.valid(uploads))))


async def take(conn: Connection, upload_id: UploadId, source_digest: str, checksum: str) -> bool:
    """Record the uploaded archive; False if there is one already, or the upload is gone."""
    statement = update(uploads).where(uploads.c.id == upload_id, uploads.c.source_digest.is_(None))
    return bool(await conn.execute(statement.values(source_digest=source_digest, checksum=checksum)))


def _read(row: Row) -> Upload:
    return Upload(row.id, row.account_id, row.expires_at, row.source_digest, row.checksum)


def _read_if(row: Row | None) -> Upload | None:
    return None if row is None else _read(row)
