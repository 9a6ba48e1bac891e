"""Names of their own that apps claim."""

from sqlalchemy import Boolean, CheckConstraint, Column, ColumnElement, DateTime, Index, Table, Text, UniqueConstraint, func, literal, text
from sqlalchemy.dialects.postgresql import ARRAY

from skypanel.domain.domains import WILDCARD
from skypanel.store.tables.columns import account, app, created_at, identity, metadata, string, time

domains = Table(
    "paas_domains",
    metadata,
    identity(),
    app(index=False),
    string("name"),
    Column("token", Text, nullable=False, comment="What the TXT record of its owner has to say. It is public."),
    account(),
    created_at(),
    time("verified_at"),
    time("lost_at", comment="Since when a verified domain has no proof any more."),
    time("warned_at"),
    time("checked_at"),
    time("next_check_at", comment="NULL if it is checked on demand only."),
    Column(
        "asked_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.clock_timestamp(),
        comment="When somebody last asked for checks: they become rarer from then on.",
    ),
    string("proof_problem", nullable=True),
    Column("leads_here", Boolean),
    Column(
        "leads_to",
        ARRAY(Text),
        nullable=False,
        server_default=text("'{}'"),
        comment="The addresses or the name that DNS gave at the last check.",
    ),
    string("address_problem", nullable=True),
    Column("delegation_problem", Text, comment="Why the panel cannot prove a wildcard to a CA."),
    UniqueConstraint("app_id", "name"),
    CheckConstraint("name ~ '^([*][.])?([a-z0-9-]+[.])+[a-z0-9-]+$' AND length(name) <= 253", name="name"),
    CheckConstraint("verified_at IS NOT NULL OR (lost_at IS NULL AND warned_at IS NULL)", name="loss"),
    comment="A name of its own that an app claims. Apps may claim the same one; only one of them has proved it.",
)

VERIFIED = domains.c.verified_at.is_not(None)


def wildcard_of(name: ColumnElement[str]) -> ColumnElement[str]:
    """Return the wildcard that includes a name; the same as `domain.domains.wildcard_of`."""
    return literal(WILDCARD).concat(func.substr(name, func.strpos(name, ".") + 1))


Index(None, domains.c.next_check_at)
Index("paas_domains_verified_key", domains.c.name, unique=True, postgresql_where=VERIFIED)
