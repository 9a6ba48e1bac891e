"""Certificates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Text, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, array, insert

from skypanel.domain.certificate import Certificate, Facts, Order, Source
from skypanel.domain.ids import CertificateId
from skypanel.ports.database import Connection
from skypanel.store.rows import Row
from skypanel.store.sets import among
from skypanel.store.tables.certificates import certificates

_SHOWN = select(*(column for column in certificates.c if column is not certificates.c.secret))


@dataclass(frozen=True)
class Sealed:
    """A certificate with its chain, and its encrypted key. `updated_at` tells its versions apart."""

    id: CertificateId
    names: tuple[str, ...]
    directory: str | None
    updated_at: datetime
    chain: str
    secret: bytes = field(repr=False)


async def put_issued(conn: Connection, order: Order, chain: str, facts: Facts, *, directory: str, renew_at: datetime) -> None:
    """Store a certificate that a CA issued for an order; it replaces the name's last one. The CA is asked at once when to renew it."""
    times = {"not_before": facts.not_before, "not_after": facts.not_after, "renew_at": renew_at, "check_at": facts.not_before}
    values = {"app_id": order.app_id, "chain": chain, "secret": order.secret, "directory": directory, **times}
    values |= {"issuer": facts.issuer, "serial": facts.serial}
    added = insert(certificates).values(source=Source.ACME, names=[order.name], **values)
    await conn.execute(
        added.on_conflict_do_update(
            index_elements=["names"],
            index_where=certificates.c.source == Source.ACME,
            set_={**values, "updated_at": func.clock_timestamp()},
        )
    )


async def for_names(conn: Connection, names: Sequence[str]) -> list[Certificate]:
    """Return all certificates that cover one of these names, those that are valid longest first."""
    statement = _SHOWN.where(certificates.c.names.overlap(_covering(names))).order_by(certificates.c.not_after.desc())
    return [_read(row) for row in await conn.all(statement)]


async def due_checks(conn: Connection, directory: str, now: datetime, limit: int) -> list[Certificate]:
    """Return certificates of a CA that is to be asked when to renew them."""
    due = _SHOWN.where(certificates.c.directory == directory, certificates.c.check_at <= now, certificates.c.not_after > now)
    return [_read(row) for row in await conn.all(due.order_by(certificates.c.check_at).limit(limit))]


async def set_renewal(conn: Connection, certificate: Certificate, renew_at: datetime, check_at: datetime | None) -> None:
    """Set when to renew a certificate, and when to ask the CA again. Nothing happens if it was replaced meanwhile."""
    same = certificates.c.id == certificate.id, certificates.c.serial == certificate.facts.serial
    await conn.execute(update(certificates).where(*same).values(renew_at=renew_at, check_at=check_at))


async def valid(conn: Connection, now: datetime, known: Mapping[CertificateId, datetime]) -> tuple[list[Sealed], set[CertificateId]]:
    """Return the valid certificates that are not `known` in this version, and the ids of all valid ones."""
    is_valid = certificates.c.not_after > now
    ids = await conn.all(select(certificates.c.id, certificates.c.updated_at).where(is_valid))
    new = [row.id for row in ids if known.get(row.id) != row.updated_at]
    rows = await conn.all(select(certificates).where(among(certificates.c.id, new))) if new else []
    sealed = [Sealed(row.id, tuple(row.names), row.directory, row.updated_at, row.chain, bytes(row.secret)) for row in rows]
    return sealed, {row.id for row in ids}


async def forget_expired(conn: Connection, before: datetime) -> None:
    """Remove certificates by ACME that expired before a time."""
    await conn.execute(delete(certificates).where(certificates.c.source == Source.ACME, certificates.c.not_after < before))


async def secrets(conn: Connection) -> dict[CertificateId, bytes]:
    """Return the encrypted keys of all certificates."""
    return {row.id: bytes(row.secret) for row in await conn.all(select(certificates.c.id, certificates.c.secret))}


async def replace_secret(conn: Connection, certificate_id: CertificateId, old: bytes, new: bytes) -> None:
    """Replace an encrypted key with the same one under another key, unless it has changed in the meantime."""
    await conn.execute(update(certificates).where(certificates.c.id == certificate_id, certificates.c.secret == old).values(secret=new))


def covers(name: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a certificate covers a name of an outer query, as itself or by a wildcard."""
    wildcard = literal("*.").concat(func.substr(name, func.strpos(name, ".") + 1))
    return or_(certificates.c.names.contains(array([name])), certificates.c.names.contains(array([wildcard])))


def _covering(names: Sequence[str]) -> ColumnElement[Sequence[str]]:
    wildcards = (f"*.{name.partition('.')[2]}" for name in names)
    return literal([*names, *wildcards], ARRAY(Text))


def _read(row: Row) -> Certificate:
    return Certificate(
        id=row.id,
        app_id=row.app_id,
        source=Source(row.source),
        chain=row.chain,
        facts=Facts(tuple(row.names), row.not_before, row.not_after, row.issuer, row.serial),
        created_at=row.created_at,
        renew_at=row.renew_at,
        updated_at=row.updated_at,
    )
