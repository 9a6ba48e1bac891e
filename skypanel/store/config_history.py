"""Who changed which config vars, and when: names of keys, never values."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import and_, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from skypanel.domain.config_vars import ConfigChange, KeyOrigin
from skypanel.domain.ids import AppId, ConfigVersionId
from skypanel.ports.database import Connection
from skypanel.store.tables.accounts import accounts
from skypanel.store.tables.config_vars import config_vars, config_versions
from skypanel.store.tables.releases import releases

_Keys = Mapping[ConfigVersionId, list[str]]
_EMAIL = config_versions.outerjoin(accounts, accounts.c.id == config_versions.c.account_id)


async def origins(conn: Connection, app_id: AppId) -> dict[str, KeyOrigin]:
    """Return when and by whom each key that an app ever had was last set, by key."""
    statement = (
        select(config_vars.c.key, config_versions.c.created_at, accounts.c.email)
        .ext(distinct_on(config_vars.c.key))
        .select_from(_EMAIL.join(config_vars, config_vars.c.config_version_id == config_versions.c.id))
        .where(config_versions.c.app_id == app_id, config_vars.c.changed)
        .order_by(config_vars.c.key, config_versions.c.number.desc())
    )
    return {row.key: KeyOrigin(row.key, row.created_at, row.email) for row in await conn.all(statement)}


async def page(conn: Connection, app_id: AppId, limit: int, *, below: int | None = None, above: int | None = None) -> list[ConfigChange]:
    """Return at most `limit` changes of an app, newest first: with `below`, the next ones under that number; with `above`, those over it.

    The first version is no change: each app begins with it, empty.
    """
    is_upward = above is not None
    order = config_versions.c.number.asc() if is_upward else config_versions.c.number.desc()
    released = select(func.min(releases.c.version)).where(releases.c.config_version_id == config_versions.c.id).scalar_subquery()
    statement = (
        select(config_versions.c.id, config_versions.c.number, config_versions.c.created_at, accounts.c.email, released.label("release"))
        .select_from(_EMAIL)
        .where(config_versions.c.app_id == app_id, config_versions.c.number > max(1, above or 0))
        .order_by(order)
        .limit(limit)
    )
    rows = await conn.all(statement if below is None else statement.where(config_versions.c.number < below))
    ids = [row.id for row in rows]
    (added, changed), removed = await _set(conn, ids), await _removed(conn, ids)
    found = [
        ConfigChange(row.number, row.created_at, row.email, row.release, added[row.id], changed[row.id], removed[row.id]) for row in rows
    ]
    return found[::-1] if is_upward else found


async def _set(conn: Connection, ids: Collection[ConfigVersionId]) -> tuple[_Keys, _Keys]:
    """Return the keys that were set for the first time or again, and those whose value changed, by version."""
    earlier, previous = config_vars.alias("earlier"), config_versions.alias("previous")
    known = exists().where(
        previous.c.app_id == config_versions.c.app_id,
        previous.c.number == config_versions.c.number - 1,
        earlier.c.config_version_id == previous.c.id,
        earlier.c.key == config_vars.c.key,
    )
    statement = (
        select(config_vars.c.config_version_id.label("id"), config_vars.c.key, known.label("known"))
        .join(config_versions, config_versions.c.id == config_vars.c.config_version_id)
        .where(config_vars.c.config_version_id.in_(ids), config_vars.c.changed)
        .order_by(config_vars.c.key)
    )
    rows = await conn.all(statement)
    return _by_version([(row.id, row.key) for row in rows if not row.known]), _by_version([(row.id, row.key) for row in rows if row.known])


async def _removed(conn: Connection, ids: Collection[ConfigVersionId]) -> _Keys:
    earlier, previous = config_vars.alias("earlier"), config_versions.alias("previous")
    before = and_(previous.c.app_id == config_versions.c.app_id, previous.c.number == config_versions.c.number - 1)
    kept = exists().where(config_vars.c.config_version_id == config_versions.c.id, config_vars.c.key == earlier.c.key)
    statement = (
        select(config_versions.c.id, earlier.c.key)
        .join(previous, before)
        .join(earlier, earlier.c.config_version_id == previous.c.id)
        .where(config_versions.c.id.in_(ids), ~kept)
        .order_by(earlier.c.key)
    )
    return _by_version([(row.id, row.key) for row in await conn.all(statement)])


def _by_version(pairs: Sequence[tuple[ConfigVersionId, str]]) -> _Keys:
    found: defaultdict[ConfigVersionId, list[str]] = defaultdict(list)
    for version_id, key in pairs:
        found[version_id].append(key)
    return found
