"""Domains of apps."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Boolean, ColumnElement, DateTime, Text, Uuid, column, delete, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from skypanel.domain.domains import Check, Domain
from skypanel.domain.errors import Conflict
from skypanel.domain.ids import AccountId, AppId, DomainId, as_id
from skypanel.domain.uploaded_certificates import Holder
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, found, one
from skypanel.store.sets import among
from skypanel.store.tables.apps import applications
from skypanel.store.tables.domains import VERIFIED, domains, wildcard_of

_TIME = DateTime(timezone=True)
_CHECKED = (
    column("id", Uuid),
    column("verified_at", _TIME),
    column("lost_at", _TIME),
    column("warned_at", _TIME),
    column("checked_at", _TIME),
    column("next_check_at", _TIME),
    column("proof_problem", Text),
    column("leads_here", Boolean),
    column("leads_to", ARRAY(Text)),
    column("address_problem", Text),
    column("delegation_problem", Text),
)


async def add(conn: Connection, app_id: AppId, name: str, token: str, *, account_id: AccountId, at: datetime) -> Domain:
    """Add a claim, which is due for a check at once. Raises Conflict if the app has the name already."""
    values = {"app_id": app_id, "name": name, "token": token, "account_id": account_id}
    times = {"created_at": at, "asked_at": at, "next_check_at": at}
    try:
        return _read(await one(conn, insert(domains).values(**values, **times).returning(domains)))
    except Conflict:
        raise Conflict(f"{name} is a domain of this app already.", "Set its DNS records, then check it.") from None


async def of(conn: Connection, app_id: AppId) -> list[Domain]:
    """Return an app's domains, in order of name."""
    return [_read(row) for row in await conn.all(select(domains).where(domains.c.app_id == app_id).order_by(domains.c.name))]


async def verified_names(conn: Connection, app_id: AppId) -> list[str]:
    """Return the names of an app's verified domains, in order."""
    statement = select(domains.c.name).where(domains.c.app_id == app_id, VERIFIED).order_by(domains.c.name)
    return [row.name for row in await conn.all(statement)]


async def find(conn: Connection, app_id: AppId, text: str) -> Domain:
    """Return an app's domain by its name or id. Raises NotFound."""
    domain_id = as_id(text)
    same: ColumnElement[bool] = domains.c.id == domain_id if domain_id else domains.c.name == text
    return _read(await found(conn, select(domains).where(domains.c.app_id == app_id, same), "domain"))


async def holders(conn: Connection, names: Collection[str]) -> list[Domain]:
    """Return the claims that have proved one of these names."""
    return [_read(row) for row in await conn.all(select(domains).where(among(domains.c.name, names), VERIFIED))]


async def covered(conn: Connection, names: Collection[str]) -> list[Holder]:
    """Return who has proved names that these cover, as themselves or by a wildcard."""
    statement = (
        select(domains.c.name, domains.c.app_id, applications.c.organization_id)
        .join(applications, applications.c.id == domains.c.app_id)
        .where(VERIFIED, or_(among(domains.c.name, names), among(wildcard_of(domains.c.name), names)))
    )
    return [Holder(row.name, row.app_id, row.organization_id) for row in await conn.all(statement)]


async def count(conn: Connection, app_id: AppId) -> int:
    """Return how many domains an app has."""
    statement = select(func.count().label("number")).select_from(domains).where(domains.c.app_id == app_id)
    return int((await one(conn, statement)).number)


async def claim(conn: Connection, now: datetime, until: datetime, limit: int) -> list[Domain]:
    """Return at most `limit` domains whose check is due, first the one of each organization that is due longest, then the second ones.

    They are due again at `until`.
    """
    turn = func.row_number().over(partition_by=applications.c.organization_id, order_by=domains.c.next_check_at).label("turn")
    due = select(domains.c.id, domains.c.next_check_at, turn).join(applications, applications.c.id == domains.c.app_id)
    in_turn = due.where(domains.c.next_check_at <= now).order_by(turn, domains.c.next_check_at).limit(limit).subquery("in_turn")
    still_due = select(domains.c.id, in_turn.c.turn).join(in_turn, in_turn.c.id == domains.c.id).where(domains.c.next_check_at <= now)
    mine = still_due.with_for_update(of=domains, skip_locked=True).cte("mine")
    claimed = update(domains).where(domains.c.id == mine.c.id).values(next_check_at=until).returning(domains, mine.c.turn)
    return [_read(row) for row in sorted(await conn.all(claimed), key=lambda row: row.turn)]


async def claim_one(conn: Connection, domain_id: DomainId, now: datetime, until: datetime) -> Domain:
    """Claim the check of one domain, because somebody asked for it. Raises NotFound."""
    values = {"next_check_at": until, "asked_at": now}
    return _read(await found(conn, update(domains).where(domains.c.id == domain_id).values(values).returning(domains), "domain"))


async def still_claimed(conn: Connection, claimed_until: datetime, domain_id: DomainId) -> bool:
    """Whether nobody else has claimed the check of a domain meanwhile. It is locked until the transaction ends."""
    mine = select(domains.c.id).where(domains.c.id == domain_id, domains.c.next_check_at == claimed_until)
    return await conn.first(mine.with_for_update()) is not None


async def put_checks(conn: Connection, claimed_until: datetime, checked: Collection[Domain]) -> None:
    """Record checks that were claimed together. A domain that is gone, or whose check somebody else has claimed, is left alone."""
    new = func.jsonb_to_recordset(literal([_row(each) for each in checked], JSONB)).table_valued(*_CHECKED, name="new")
    new = new.render_derived(with_types=True)
    mine = (domains.c.id == new.c.id) & (domains.c.next_check_at == claimed_until)
    await conn.execute(update(domains).where(mine).values({each.name: new.c[each.name] for each in _CHECKED if each.name != "id"}))


def _row(domain: Domain) -> dict[str, object]:
    times = {name: getattr(domain, name) for name in ("verified_at", "lost_at", "warned_at", "checked_at", "next_check_at")}
    return {
        "id": str(domain.id),
        **{name: at.isoformat() if at else None for name, at in times.items()},
        "proof_problem": domain.last.proof_problem,
        "leads_here": domain.last.leads_here,
        "leads_to": list(domain.last.leads_to),
        "address_problem": domain.last.address_problem,
        "delegation_problem": domain.last.delegation_problem,
    }


async def release(conn: Connection, domain_id: DomainId) -> None:
    """Take a domain from its app, which still claims it. A check of it that runs meanwhile counts no more."""
    values = {"verified_at": None, "lost_at": None, "warned_at": None, "next_check_at": None}
    await conn.execute(update(domains).where(domains.c.id == domain_id).values(values))


async def remove(conn: Connection, domain_id: DomainId) -> bool:
    """Remove a domain; False if there was none."""
    return bool(await conn.execute(delete(domains).where(domains.c.id == domain_id)))


def _read(row: Row) -> Domain:
    return Domain(
        id=row.id,
        app_id=row.app_id,
        name=row.name,
        token=row.token,
        created_at=row.created_at,
        verified_at=row.verified_at,
        lost_at=row.lost_at,
        warned_at=row.warned_at,
        checked_at=row.checked_at,
        next_check_at=row.next_check_at,
        asked_at=row.asked_at,
        last=Check(row.proof_problem, row.leads_here, tuple(row.leads_to), row.address_problem, row.delegation_problem),
    )
