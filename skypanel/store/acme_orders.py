"""Orders for certificates, and the accounts at CAs that they belong to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, column, delete, func, literal, null, or_, select, true, union_all, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from skypanel.domain import domains as rules
from skypanel.domain.certificate import LONGEST_PAUSE, ORDERS_WINDOW, Order, Source, Step
from skypanel.domain.domains import WILDCARD
from skypanel.domain.ids import AcmeAccountId, AppId, CertificateId
from skypanel.ports.database import Connection
from skypanel.store import leases, locks
from skypanel.store.rows import Row, one
from skypanel.store.sets import among
from skypanel.store.tables.apps import applications
from skypanel.store.tables.certificates import accounts, certificates, failures, orders, requests
from skypanel.store.tables.domains import VERIFIED, domains, wildcard_of

# What an order does not have before the CA knows it.
_UNKNOWN = {"account_id": None, "url": "", "finalize_url": "", "challenge_url": "", "token": "", "proof": "", "started_at": None}
_ATTEMPTS = select(orders.c.name, orders.c.failures, orders.c.problem, orders.c.next_attempt_at)


@dataclass(frozen=True)
class Account:
    """An account at a CA. `url` is None until the CA knows it."""

    id: AcmeAccountId
    secret: bytes = field(repr=False)
    url: str | None


@dataclass(frozen=True)
class Attempt:
    """What users see of an order."""

    name: str
    failures: int
    problem: str
    next_attempt_at: datetime


@dataclass(frozen=True)
class Wanting:
    """Which names want certificates of which CA, beside verified domains.

    `domain` is the parent of apps' own names, or empty if those want none. `by_dns` is whether apps' wildcards want certificates.
    """

    panel_names: Sequence[str]
    domain: str
    directory: str
    by_dns: bool = False


async def missing(
    conn: Connection, wanting: Wanting, now: datetime, *, among_: Collection[str] | None, served: Collection[CertificateId]
) -> list[tuple[str, AppId | None]]:
    """Return the names without a certificate or order that want one: new ones, and those whose certificate is due.

    Only these names and those that a wildcard among them includes are looked at; None for all. A certificate of another CA counts as
    missing, and so does an uploaded one, unless it is the app's own and among those `served`.
    """
    wanted = _wanted(wanting, among_)
    named = func.unnest(certificates.c.names).table_valued(column("name", Text), name="named").render_derived()
    is_good = (
        or_(among(certificates.c.id, served), certificates.c.directory == wanting.directory),
        certificates.c.not_after > now,
        or_(certificates.c.renew_at.is_(None), certificates.c.renew_at > now),
    )
    good = select(named.c.name, certificates.c.app_id, certificates.c.source).select_from(certificates).join(named, true()).where(*is_good)
    if among_ is not None and not _wildcards(among_):
        good = good.where(among(named.c.name, [*among_, *map(rules.wildcard_of, among_)]))
    having = good.cte("good")
    is_own, is_ordered = having.c.app_id == wanted.c.app_id, having.c.source != Source.UPLOADED
    # A wildcard of another app serves a name only until that has its own. The panel's serves all.
    covering = (
        (having.c.name == wanted.c.name, or_(is_ordered, is_own)),
        (having.c.name == wildcard_of(wanted.c.name), or_(having.c.app_id.is_(None), is_own)),
    )
    # Two conditions, which the database can look up in a hash, where one with OR would compare all with all.
    uncovered = (~select(having.c.name).where(*each).exists() for each in covering)
    unordered = ~select(orders.c.name).where(orders.c.name == wanted.c.name).exists()
    found = select(wanted.c.name, wanted.c.app_id).where(*uncovered, unordered).order_by(wanted.c.rank, wanted.c.name)
    return [(row.name, row.app_id) for row in await conn.all(found)]


async def add(conn: Connection, name: str, app_id: AppId | None, secret: bytes, now: datetime) -> None:
    """Add an order, which is due at once, unless orders for the name failed of late. Nothing happens if there is one."""
    kept = {
        "failures": func.coalesce(_kept(failures.c.failures, name), 0),
        "problem": func.coalesce(_kept(failures.c.problem, name), ""),
        "next_attempt_at": func.greatest(_kept(failures.c.next_attempt_at, name), now),
    }
    added = insert(orders).values(name=name, app_id=app_id, secret=secret, **kept)
    await conn.execute(added.on_conflict_do_nothing())


async def remove_unwanted(conn: Connection, wanting: Wanting, among_: Collection[str] | None) -> None:
    """Remove orders for names, of these or of all, that want no certificate any more."""
    wanted = _wanted(wanting, among_)
    unwanted = delete(orders).where(~select(wanted.c.name).where(wanted.c.name == orders.c.name).exists())
    await conn.execute(unwanted if among_ is None else unwanted.where(among(orders.c.name, among_)))


async def claim(conn: Connection, now: datetime, lease_s: float) -> Order | None:
    """Claim the next order that is due, or return None.

    A CA may limit the orders of all names together. So the panel's own names come first, then orders that have begun. Then organizations
    take turns: the one that ordered least of late is next, with the name that failed least often.
    """
    free = or_(orders.c.lease_until.is_(None), leases.lapsed(orders))
    of_late = (
        select(requests.c.organization_id, func.count().label("number"))
        .where(requests.c.requested_at > now - ORDERS_WINDOW)
        .group_by(requests.c.organization_id)
        .subquery()
    )
    has_turn = (
        orders.c.app_id.is_not(None),
        orders.c.step == Step.WAITING,
        func.coalesce(of_late.c.number, 0),
        orders.c.failures,
        orders.c.next_attempt_at,
    )
    first = (
        select(orders.c.name)
        .outerjoin(applications, applications.c.id == orders.c.app_id)
        .outerjoin(of_late, of_late.c.organization_id == applications.c.organization_id)
        .where(orders.c.next_attempt_at <= now, free)
        .order_by(*has_turn)
        .limit(1)
        .with_for_update(of=orders, skip_locked=True)
    )
    mine = orders.c.name == first.scalar_subquery()
    row = await conn.first(
        update(orders).where(mine).values(attempt=orders.c.attempt + 1, lease_until=leases.until(lease_s)).returning(orders)
    )
    return None if row is None else _read(row)


async def renew_lease(conn: Connection, order: Order, lease_s: float) -> bool:
    """Renew the lease of an order, if it is still ours."""
    return bool(await conn.execute(_held(order).values(lease_until=leases.until(lease_s))))


async def advance(conn: Connection, order: Order, step: Step, **values: Any) -> Order | None:  # noqa: ANN401 - values of columns
    """Store that an order has reached a step, and what belongs to it, and return the order; None if another worker has it."""
    row = await conn.first(_held(order).values(step=step, **values).returning(orders))
    return None if row is None else _read(row)


async def put_off(conn: Connection, order: Order, until: datetime) -> None:
    """Let an order be looked at again at a time, and end the lease."""
    await conn.execute(_held(order).values(next_attempt_at=until, lease_until=None))


async def request(conn: Connection, app_id: AppId, now: datetime, limit: int) -> datetime | None:
    """Note that a certificate is ordered for an app's organization; if it has ordered `limit` of late, return when it may order again."""
    organization_id = (await one(conn, select(applications.c.organization_id).where(applications.c.id == app_id))).organization_id
    await locks.hold(conn, f"certificates of {organization_id}")
    since = now - ORDERS_WINDOW
    own = select(requests.c.requested_at).where(requests.c.organization_id == organization_id, requests.c.requested_at > since)
    row = await conn.first(own.order_by(requests.c.requested_at.desc()).offset(limit - 1).limit(1))
    if row is None:
        await conn.execute(insert(requests).values(organization_id=organization_id, requested_at=now))
    last: datetime | None = row.requested_at if row else None
    return last + ORDERS_WINDOW if last else None


async def put_off_organization(conn: Connection, order: Order, problem: str, until: datetime) -> None:
    """Let all orders of an organization that have not begun wait, and store why. Ends the lease of `order`, which is one of them."""
    values = {"problem": problem, "next_attempt_at": until, "lease_until": None}
    await conn.execute(_held(order).values(values))
    owner = select(applications.c.organization_id).where(applications.c.id == order.app_id).scalar_subquery()
    apps = select(applications.c.id).where(applications.c.organization_id == owner)
    waits = orders.c.step == Step.WAITING, orders.c.lease_until.is_(None), orders.c.next_attempt_at < until
    await conn.execute(update(orders).where(orders.c.app_id.in_(apps), *waits).values(values))


async def fail(conn: Connection, order: Order, problem: str, until: datetime, *, anew: bool) -> None:
    """Store why an order failed, and when it is tried again; `anew` if it begins with a new order at the CA. Ends the lease."""
    values = {"failures": order.failures + 1, "problem": problem, "next_attempt_at": until}
    begins = {"step": Step.WAITING, **_UNKNOWN} if anew else {}
    if await conn.execute(_held(order).values(**values, **begins, lease_until=None)):
        kept = insert(failures).values(name=order.name, **values)
        await conn.execute(kept.on_conflict_do_update(index_elements=["name"], set_=values))


async def finish(conn: Connection, order: Order) -> bool:
    """Remove an order whose certificate was issued; False if another worker has it."""
    is_ours = await conn.execute(delete(orders).where(orders.c.name == order.name, orders.c.attempt == order.attempt))
    if is_ours:
        await conn.execute(delete(failures).where(failures.c.name == order.name))
    return bool(is_ours)


async def forget(conn: Connection, now: datetime) -> None:
    """Forget what was ordered, and what failed, so long ago that it counts no more."""
    await conn.execute(delete(requests).where(requests.c.requested_at <= now - ORDERS_WINDOW))
    is_over = failures.c.next_attempt_at < now - LONGEST_PAUSE
    await conn.execute(delete(failures).where(is_over, ~select(orders.c.name).where(orders.c.name == failures.c.name).exists()))


async def proof(conn: Connection, name: str, token: str) -> str | None:
    """Return what a CA has to find for a name and token, or None."""
    row = await conn.first(select(orders.c.proof).where(orders.c.name == name, orders.c.token == token, orders.c.token != ""))
    return None if row is None else str(row.proof)


async def proving(conn: Connection) -> list[str]:
    """Return the names that a CA may ask for over HTTP now, in order."""
    asked = orders.c.step.in_((Step.ORDERED, Step.ANSWERED)), ~orders.c.name.startswith(WILDCARD, autoescape=True)
    rows = await conn.all(select(orders.c.name).where(*asked).order_by(orders.c.name))
    return [row.name for row in rows]


async def of(conn: Connection, names: Sequence[str]) -> list[Attempt]:
    """Return the orders for names."""
    return [_read_attempt(row) for row in await conn.all(_ATTEMPTS.where(among(orders.c.name, names)))]


async def waiting(conn: Connection, app_id: AppId) -> list[Attempt]:
    """Return the orders for an app's names that failed and are to be tried again."""
    failed = _ATTEMPTS.where(orders.c.app_id == app_id, orders.c.failures > 0, orders.c.lease_until.is_(None))
    return [_read_attempt(row) for row in await conn.all(failed)]


async def hasten(conn: Connection, app_id: AppId, names: Sequence[str], now: datetime) -> None:
    """Let the orders for these names of an app be tried again now."""
    same = orders.c.app_id == app_id, among(orders.c.name, names), orders.c.lease_until.is_(None)
    await conn.execute(update(orders).where(*same).values(next_attempt_at=now))


async def remove_of_domains(conn: Connection, app_id: AppId) -> None:
    """Remove the orders for an app's domains. A worker that has one stores no certificate any more."""
    own = select(domains.c.name).where(domains.c.app_id == app_id)
    await conn.execute(delete(orders).where(orders.c.app_id == app_id, orders.c.name.in_(own)))


async def add_account(conn: Connection, directory: str, eab_kid: str, secret: bytes) -> None:
    """Add an account that the CA does not know yet. Nothing happens if there is one."""
    added = insert(accounts).values(directory=directory, eab_kid=eab_kid, secret=secret)
    await conn.execute(added.on_conflict_do_nothing())


async def account(conn: Connection, directory: str, eab_kid: str) -> Account | None:
    """Return the account at a CA, or None."""
    row = await conn.first(select(accounts).where(accounts.c.directory == directory, accounts.c.eab_kid == eab_kid))
    return None if row is None else _read_account(row)


async def set_account_url(conn: Connection, account_id: AcmeAccountId, url: str) -> None:
    """Store that the CA knows an account."""
    await conn.execute(update(accounts).where(accounts.c.id == account_id).values(url=url))


async def remove_account(conn: Connection, account_id: AcmeAccountId) -> None:
    """Remove an account that the CA does not know any more. Its orders begin anew."""
    await conn.execute(update(orders).where(orders.c.account_id == account_id).values(step=Step.WAITING, **_UNKNOWN))
    await conn.execute(delete(accounts).where(accounts.c.id == account_id))


async def secrets(conn: Connection) -> dict[str, bytes]:
    """Return the encrypted keys of all orders, by name."""
    return {row.name: bytes(row.secret) for row in await conn.all(select(orders.c.name, orders.c.secret))}


async def replace_secret(conn: Connection, name: str, old: bytes, new: bytes) -> None:
    """Replace an encrypted key with the same one under another key, unless it has changed in the meantime."""
    await conn.execute(update(orders).where(orders.c.name == name, orders.c.secret == old).values(secret=new))


async def account_secrets(conn: Connection) -> dict[AcmeAccountId, bytes]:
    """Return the encrypted keys of all accounts."""
    return {row.id: bytes(row.secret) for row in await conn.all(select(accounts.c.id, accounts.c.secret))}


async def replace_account_secret(conn: Connection, account_id: AcmeAccountId, old: bytes, new: bytes) -> None:
    """Replace the encrypted key of an account with the same one under another key."""
    await conn.execute(update(accounts).where(accounts.c.id == account_id, accounts.c.secret == old).values(secret=new))


def _wanted(wanting: Wanting, among_: Collection[str] | None) -> Any:  # noqa: ANN401 - a subquery
    """Return the names that want a certificate, with their apps: the panel's, then apps' domains, then apps' own names."""
    own_names = [name for name in wanting.panel_names if among_ is None or name in among_]
    own = func.unnest(literal(own_names, ARRAY(Text))).table_valued("name", name="own").render_derived()
    nobody = null().cast(applications.c.id.type).label("app_id")
    rank, suffix, is_wildcard = "rank", f".{wanting.domain}", domains.c.name.startswith(WILDCARD, autoescape=True)
    proved = (
        select(domains.c.name, domains.c.app_id, literal(2).label(rank))
        .join(applications, applications.c.id == domains.c.app_id)
        .where(applications.c.automatic_certificates, VERIFIED, domains.c.leads_here.is_(True))
        .where(or_(~is_wildcard, and_(literal(wanting.by_dns), domains.c.delegation_problem.is_(None))))
    )
    named = select(applications.c.name.concat(suffix).label("name"), applications.c.id, literal(3).label(rank)).where(
        literal(bool(wanting.domain))
    )
    if among_ is not None:
        proved = proved.where(_named(among_))
        named = named.where(among(applications.c.name, [name.removesuffix(suffix) for name in among_ if name.endswith(suffix)]))
    return union_all(select(own.c.name, nobody, literal(1).label(rank)), proved, named).subquery("wanted")


def _named(names: Collection[str]) -> ColumnElement[bool]:
    is_named, wildcards = among(domains.c.name, names), _wildcards(names)
    return or_(is_named, among(wildcard_of(domains.c.name), wildcards)) if wildcards else is_named


def _wildcards(names: Collection[str]) -> list[str]:
    return [name for name in names if name.startswith(WILDCARD)]


def _kept(column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    return select(column).where(failures.c.name == name).scalar_subquery()


def _held(order: Order) -> Any:  # noqa: ANN401 - an update
    return update(orders).where(orders.c.name == order.name, orders.c.attempt == order.attempt)


def _read(row: Row) -> Order:
    return Order(
        name=row.name,
        app_id=row.app_id,
        attempt=row.attempt,
        step=Step(row.step),
        failures=row.failures,
        started_at=row.started_at,
        secret=bytes(row.secret),
        account_id=row.account_id,
        url=row.url,
        finalize_url=row.finalize_url,
        challenge_url=row.challenge_url,
        token=row.token,
        proof=row.proof,
    )


def _read_attempt(row: Row) -> Attempt:
    return Attempt(row.name, row.failures, row.problem, row.next_attempt_at)


def _read_account(row: Row) -> Account:
    return Account(row.id, bytes(row.secret), row.url)
