"""Names whose certificates are to be looked at: triggers write them when something changes, and each look arms the next."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Text, column, delete, func, insert, literal, select, true, update
from sqlalchemy.dialects.postgresql import ARRAY

from skypanel.ports.database import Connection
from skypanel.store.sets import among
from skypanel.store.tables.certificates import certificates, full_looks, looks


async def take(conn: Connection, now: datetime, limit: int) -> list[str]:
    """Return names that are due, and remove at most `limit` looks of theirs. One without a dot is an app's."""
    due = select(looks.c.number).where(looks.c.due_at <= now).order_by(looks.c.due_at).limit(limit).with_for_update(skip_locked=True)
    taken = delete(looks).where(looks.c.number.in_(due.scalar_subquery())).returning(looks.c.name)
    return sorted({row.name for row in await conn.all(taken)})


async def arm(conn: Connection, names: Collection[str] | None, now: datetime) -> None:
    """Let names be looked at again when a certificate of theirs is due or ends; None for all names."""
    named = func.unnest(certificates.c.names).table_valued(column("name", Text), name="named").render_derived()
    ends_at = func.least(certificates.c.renew_at, certificates.c.not_after)
    armed = select(named.c.name, func.min(ends_at)).select_from(certificates).join(named, true()).where(ends_at > now)
    forgotten = delete(looks).where(looks.c.due_at > now)
    if names is not None:
        listed = literal(list(names), ARRAY(Text))
        armed = armed.where(certificates.c.names.overlap(listed), among(named.c.name, names))
        forgotten = forgotten.where(among(looks.c.name, names))
    await conn.execute(forgotten)
    await conn.execute(insert(looks).from_select(["name", "due_at"], armed.group_by(named.c.name)))


async def begin_full(conn: Connection, wanted: str, now: datetime, before: datetime) -> bool:
    """Whether all names are to be looked at: the last time was before then, or what wants a certificate was described otherwise."""
    known = await conn.first(select(full_looks.c.wanted).where(full_looks.c.wanted == wanted, full_looks.c.looked_at > before))
    if known is not None:
        return False
    values = {"wanted": wanted, "looked_at": now}
    if not await conn.execute(update(full_looks).values(values)):
        await conn.execute(insert(full_looks).values(values))
    return True
