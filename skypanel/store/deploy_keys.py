"""Deploy keys: an SSH key pair for each app that reads private repositories. The private key is encrypted."""

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain.ids import AppId
from skypanel.ports.database import Connection
from skypanel.store.tables.sources import deploy_keys


async def public_key(conn: Connection, app_id: AppId) -> str | None:
    """Return the public key of an app, or None."""
    row = await conn.first(select(deploy_keys.c.public_key).where(deploy_keys.c.app_id == app_id))
    return None if row is None else str(row.public_key)


async def secret(conn: Connection, app_id: AppId) -> bytes | None:
    """Return the encrypted private key of an app, or None."""
    row = await conn.first(select(deploy_keys.c.secret).where(deploy_keys.c.app_id == app_id))
    return None if row is None else bytes(row.secret)


async def add(conn: Connection, app_id: AppId, public_key: str, secret: bytes) -> bool:
    """Add a key to an app; False if it has one, which stays."""
    key = insert(deploy_keys).values(app_id=app_id, public_key=public_key, secret=secret)
    return bool(await conn.execute(key.on_conflict_do_nothing(index_elements=["app_id"])))


async def secrets(conn: Connection) -> dict[AppId, bytes]:
    """Return all encrypted private keys, by app."""
    return {row.app_id: bytes(row.secret) for row in await conn.all(select(deploy_keys.c.app_id, deploy_keys.c.secret))}


async def replace_secret(conn: Connection, app_id: AppId, secret: bytes) -> None:
    """Replace a private key with the same key under another encryption key."""
    await conn.execute(update(deploy_keys).where(deploy_keys.c.app_id == app_id).values(secret=secret))
