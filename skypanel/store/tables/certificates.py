"""Certificates, orders for them, and accounts at certificate authorities."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from skypanel.domain.certificate import Source, Step
from skypanel.store.tables.columns import created_at, identity, metadata, number, one_of, reference, string, time

certificates = Table(
    "paas_certificates",
    metadata,
    identity(),
    reference("app_id", "paas_applications", "CASCADE", nullable=True),
    string("source"),
    Column("names", ARRAY(Text), nullable=False),
    string("chain"),
    Column("secret", LargeBinary, nullable=False, comment="Its private key, encrypted."),
    time("not_before", nullable=False),
    time("not_after", nullable=False),
    string("issuer"),
    string("serial"),
    Column("directory", Text, comment="Of the CA that issued it by ACME."),
    time("renew_at"),
    time("check_at", comment="When to ask the CA again when to renew it."),
    created_at(),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    one_of("source", Source),
    CheckConstraint("cardinality(names) > 0", name="names"),
    CheckConstraint("(source = 'acme') = (directory IS NOT NULL)", name="directory"),
    comment="A certificate with its chain (PEM). One by ACME is for one name, and its renewal replaces it.",
)
Index(None, certificates.c.names, postgresql_using="gin")
Index(None, certificates.c.check_at)
Index(
    "paas_certificates_acme_key",
    certificates.c.names,
    unique=True,
    postgresql_where=certificates.c.source == text("'acme'"),
)

accounts = Table(
    "paas_acme_accounts",
    metadata,
    identity(),
    string("directory"),
    Column("eab_kid", Text, nullable=False, server_default=text("''")),
    Column("secret", LargeBinary, nullable=False, comment="Its private key, encrypted."),
    Column("url", Text, comment="NULL until the CA knows it."),
    created_at(),
    UniqueConstraint("directory", "eab_kid"),
    comment="The panel's account at a certificate authority.",
)

orders = Table(
    "paas_acme_orders",
    metadata,
    Column("name", Text, primary_key=True),
    reference("app_id", "paas_applications", "CASCADE", nullable=True),
    Column("step", Text, nullable=False, server_default=text("'waiting'")),
    Column("secret", LargeBinary, nullable=False, comment="The private key of the certificate, encrypted."),
    reference("account_id", "paas_acme_accounts", "CASCADE", nullable=True),
    *(Column(name, Text, nullable=False, server_default=text("''")) for name in ("url", "finalize_url", "challenge_url")),
    Column("token", Text, nullable=False, server_default=text("''")),
    Column("proof", Text, nullable=False, server_default=text("''"), comment="What the CA has to find. It is public."),
    time("started_at"),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("problem", Text, nullable=False, server_default=text("''"), comment="Why the last attempt failed."),
    time("next_attempt_at", nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0"), comment="Fencing token."),
    time("lease_until"),
    created_at(),
    one_of("step", Step),
    comment="An order for the certificate of one name. Each step is stored before the CA hears of the next.",
)
Index(None, orders.c.next_attempt_at)
Index(None, orders.c.token)

requests = Table(
    "paas_acme_requests",
    metadata,
    identity(),
    reference("organization_id", "paas_organizations", "CASCADE", index=False),
    time("requested_at", nullable=False),
    comment="A certificate that was ordered for an organization, within the last hours.",
)
Index(None, requests.c.organization_id, requests.c.requested_at)
Index(None, requests.c.requested_at)

failures = Table(
    "paas_acme_failures",
    metadata,
    Column("name", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    string("problem"),
    time("next_attempt_at", nullable=False),
    comment="Failures in a row of orders for a name, so that one that is removed and added again begins with them.",
)
Index(None, failures.c.next_attempt_at)

looks = Table(
    "paas_certificate_looks",
    metadata,
    number("number", primary_key=True),
    Column("name", Text, nullable=False, index=True, comment="Without a dot, the name of an app."),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=text("'-infinity'"), index=True),
    comment="A name whose certificate is to be looked at: something changed, or it is due. Triggers write it.",
)

full_looks = Table(
    "paas_certificate_full_looks",
    metadata,
    Column("wanted", Text, primary_key=True, comment="The CA, and the panel's own names."),
    time("looked_at", nullable=False),
    comment="One row: when all names were looked at.",
)

records = Table(
    "paas_dns_records",
    metadata,
    string("name"),
    string("value"),
    Column("order_name", Text, nullable=False, comment="The order of a certificate that needs it; empty for a test."),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    time("next_attempt_at", nullable=False, comment="When it may be removed."),
    created_at(),
    PrimaryKeyConstraint("name", "value"),
    comment="A TXT record that the panel has published, or is about to. The row goes once the record has.",
)
Index(None, records.c.next_attempt_at)
