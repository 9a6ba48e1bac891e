"""Config vars, encrypted. Each change adds a version, and versions never change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, literal, select, update

from skypanel.domain.config_vars import ConfigVersion
from skypanel.domain.ids import AccountId, AppId, ConfigVersionId
from skypanel.ports.database import Connection
from skypanel.store import apps
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.config_vars import config_vars, config_versions


@dataclass(frozen=True)
class Secret:
    """An encrypted value with the id of its row."""

    id: int
    secret: bytes


async def head(conn: Connection, app_id: AppId) -> ConfigVersion:
    """Return an app's newest version. Raises NotFound if there is no such app: each app has at least an empty version."""
    statement = select(config_versions).where(config_versions.c.app_id == app_id).order_by(config_versions.c.number.desc()).limit(1)
    return await _read(conn, await found(conn, statement, "app"))


async def get(conn: Connection, version_id: ConfigVersionId) -> ConfigVersion:
    """Return a version. Raises NotFound."""
    return await _read(conn, await found(conn, select(config_versions).where(config_versions.c.id == version_id), "config version"))


async def add(
    conn: Connection, app_id: AppId, secrets: Mapping[str, bytes], account_id: AccountId | None, before: Mapping[str, bytes] | None = None
) -> ConfigVersion:
    """Add an app's next version with exactly these secrets. Locks the app. `before` are the secrets of the previous version."""
    kept = before or {}
    await apps.lock(conn, app_id)
    number = func.coalesce(func.max(config_versions.c.number), 0) + 1
    values = select(literal(app_id), number, literal(account_id, config_versions.c.account_id.type))
    statement = insert(config_versions).from_select(["app_id", "number", "account_id"], values.where(config_versions.c.app_id == app_id))
    version = await one(conn, statement.returning(config_versions))
    if secrets:
        rows = [
            {"config_version_id": version.id, "key": key, "secret": secret, "changed": kept.get(key) != secret}
            for key, secret in secrets.items()
        ]
        await conn.execute(insert(config_vars).values(rows))
    return await _read(conn, version)


async def page(conn: Connection, after: int, limit: int) -> Sequence[Secret]:
    """Return up to `limit` secrets of all apps in order of id, starting after `after`."""
    statement = select(config_vars.c.id, config_vars.c.secret).where(config_vars.c.id > after).order_by(config_vars.c.id)
    return [Secret(row.id, row.secret) for row in await conn.all(statement.limit(limit))]


async def replace(conn: Connection, secret_id: int, secret: bytes) -> None:
    """Replace an encrypted value; a row that no longer exists is no error."""
    await conn.execute(update(config_vars).where(config_vars.c.id == secret_id).values(secret=secret))


async def _read(conn: Connection, version: Row) -> ConfigVersion:
    statement = select(config_vars.c.key, config_vars.c.secret).where(config_vars.c.config_version_id == version.id)
    secrets = {row.key: row.secret for row in await conn.all(statement.order_by(config_vars.c.key))}
    return ConfigVersion(version.id, version.app_id, version.number, secrets)
