"""Certificates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Text, and_, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, array, insert

from skypanel.domain import domains as rules
from skypanel.domain.certificate import Certificate, Facts, Order, Source
from skypanel.domain.ids import AppId, CertificateId
from skypanel.domain.uploaded_certificates import UploadedCertificate
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, found, one
from skypanel.store.sets import among
from skypanel.store.tables.apps import applications
from skypanel.store.tables.certificates import certificates
from skypanel.store.tables.domains import VERIFIED, domains, wildcard_of

_COLUMNS = tuple(column for column in certificates.c if column is not certificates.c.secret)
_SHOWN = select(*_COLUMNS)


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


async def of_app(conn: Connection, app_id: AppId) -> list[Certificate]:
    """Return an app's uploaded certificates and those of its verified domains, the oldest first."""
    proved = select(domains.c.id).where(domains.c.app_id == app_id, VERIFIED, covers(domains.c.name)).exists()
    own = _SHOWN.where(certificates.c.app_id == app_id, or_(certificates.c.source == Source.UPLOADED, proved))
    return [_read(row) for row in await conn.all(own.order_by(certificates.c.created_at, certificates.c.id))]


async def uploads(conn: Connection) -> list[UploadedCertificate]:
    """Return all uploaded certificates."""
    statement = (
        select(certificates.c.id, certificates.c.app_id, applications.c.organization_id, certificates.c.names, certificates.c.not_after)
        .join(applications, applications.c.id == certificates.c.app_id)
        .where(certificates.c.source == Source.UPLOADED)
        .order_by(certificates.c.id)
    )
    rows = await conn.all(statement)
    return [UploadedCertificate(row.id, row.app_id, row.organization_id, tuple(row.names), row.not_after) for row in rows]


async def add_upload(conn: Connection, app_id: AppId, facts: Facts, chain: str, secret: bytes) -> Certificate:
    """Store an uploaded certificate and its encrypted key."""
    added = insert(certificates).values(app_id=app_id, source=Source.UPLOADED, **_given(facts, chain, secret))
    return _read(await one(conn, added.returning(*_COLUMNS)))


async def replace_upload(conn: Connection, certificate_id: CertificateId, facts: Facts, chain: str, secret: bytes) -> Certificate:
    """Replace an uploaded certificate. Raises NotFound if it is gone."""
    changed = update(certificates).where(certificates.c.id == certificate_id, certificates.c.source == Source.UPLOADED)
    values = {**_given(facts, chain, secret), "updated_at": func.clock_timestamp()}
    return _read(await found(conn, changed.values(values).returning(*_COLUMNS), "certificate"))


async def remove_upload(conn: Connection, certificate_id: CertificateId) -> bool:
    """Remove an uploaded certificate; False if there was none."""
    same = certificates.c.id == certificate_id, certificates.c.source == Source.UPLOADED
    return bool(await conn.execute(delete(certificates).where(*same)))


async def remove_issued(conn: Connection, app_id: AppId) -> None:
    """Remove the certificates by ACME of an app's domains; that of its name below the panel's domain stays."""
    own = select(domains.c.id).where(domains.c.app_id == app_id, covers(domains.c.name)).exists()
    await conn.execute(delete(certificates).where(certificates.c.app_id == app_id, certificates.c.source == Source.ACME, own))


def _given(facts: Facts, chain: str, secret: bytes) -> dict[str, object]:
    times = {"not_before": facts.not_before, "not_after": facts.not_after}
    return {"names": list(facts.names), "chain": chain, "secret": secret, "issuer": facts.issuer, "serial": facts.serial, **times}


async def due_checks(conn: Connection, directory: str, now: datetime, limit: int) -> list[Certificate]:
    """Return certificates of a CA that is to be asked when to renew them."""
    due = _SHOWN.where(certificates.c.directory == directory, certificates.c.check_at <= now, certificates.c.not_after > now)
    return [_read(row) for row in await conn.all(due.order_by(certificates.c.check_at).limit(limit))]


async def set_renewal(conn: Connection, certificate: Certificate, renew_at: datetime, check_at: datetime | None) -> None:
    """Set when to renew a certificate, and when to ask the CA again. Nothing happens if it was replaced meanwhile."""
    same = certificates.c.id == certificate.id, certificates.c.serial == certificate.facts.serial
    await conn.execute(update(certificates).where(*same).values(renew_at=renew_at, check_at=check_at))


async def valid(
    conn: Connection, now: datetime, known: Mapping[CertificateId, datetime], served: Collection[UploadedCertificate]
) -> tuple[list[Sealed], set[CertificateId]]:
    """Return the valid certificates that are not `known` in this version, and the ids of all valid ones.

    Of uploaded ones, these are the `served`. They go before one by ACME for the same name: a proxy with both would pick any.
    """
    uploaded = [each for each in served if each.not_after > now]
    named = literal([name for each in uploaded for name in each.names], ARRAY(Text))
    issued = and_(certificates.c.source == Source.ACME, ~certificates.c.names.overlap(named))
    is_valid = and_(certificates.c.not_after > now, or_(issued, among(certificates.c.id, [each.id for each in uploaded])))
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
    return or_(certificates.c.names.contains(array([name])), certificates.c.names.contains(array([wildcard_of(name)])))


def _covering(names: Sequence[str]) -> ColumnElement[Sequence[str]]:
    return literal([*names, *map(rules.wildcard_of, names)], ARRAY(Text))


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
