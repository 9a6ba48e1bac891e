"""Who signs in, and by what."""

from typing import Any

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Index, Table, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY

from skypanel.store.tables.columns import DIGEST, account, created_at, identity, matches, metadata, number, string, time

accounts = Table(
    "paas_accounts",
    metadata,
    identity(),
    Column("email", Text, nullable=False, unique=True),
    Column("is_admin", Boolean, nullable=False, server_default=text("false")),
    created_at(),
    string("password_hash", nullable=True),
    Column("signed_in_at", DateTime(timezone=True), comment="The last sign-in; without one, the account is still an invitation."),
    Column("disabled_at", DateTime(timezone=True), comment="Since when the account can do nothing; its sessions ended then."),
    Column("muted", ARRAY(Text), nullable=False, server_default=text("'{}'"), comment="Kinds of mail that the account does not want."),
    CheckConstraint("email = lower(email) AND position('@' IN email) > 1", name="email"),
    comment="Somebody who signs in, by an address in lower case.",
)

ssh_keys = Table(
    "paas_ssh_keys",
    metadata,
    identity(),
    account("CASCADE"),
    Column("fingerprint", Text, nullable=False, unique=True),
    string("public_key"),
    string("name"),
    created_at(),
    time("last_used_at"),
    comment="A public key by which an account pushes.",
)

tokens = Table(
    "paas_tokens",
    metadata,
    identity(),
    account("CASCADE"),
    Column("digest", Text, nullable=False, unique=True),
    string("description"),
    string("scope"),
    time("expires_at"),
    created_at(),
    time("last_used_at"),
    Column(
        "busy_until",
        DateTime(timezone=True),
        comment="How much of its rate is used up: a virtual schedule, as in ITU-T I.371's generic cell rate algorithm.",
    ),
    matches("digest", DIGEST),
    comment="An API token of an account: its digest, never itself.",
)


def _ticket(name: str, *columns: Column[Any], comment: str) -> Table:
    """Return a table of secrets that sign in an account until they expire."""
    return Table(
        name,
        metadata,
        Column("digest", Text, primary_key=True),
        account("CASCADE"),
        time("expires_at", nullable=False),
        created_at(),
        *columns,
        matches("digest", DIGEST),
        comment=comment,
    )


login_links = _ticket("paas_login_links", comment="A link that signs an account in once, until it expires.")

reset_links = _ticket("paas_reset_links", comment="A link that sets the password of an account once, until it expires.")

address_changes = _ticket(
    "paas_address_changes",
    string("email"),
    comment="An address that an account gets once its owner confirms it, until it expires.",
)

sessions = _ticket(
    "paas_sessions",
    Column("id", Uuid, nullable=False, unique=True, server_default=func.gen_random_uuid()),
    string("browser", nullable=True),
    string("address", nullable=True),
    Column("last_seen_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    comment="A browser that is signed in, until it expires.",
)

known_addresses = Table(
    "paas_known_addresses",
    metadata,
    account("CASCADE", primary_key=True, index=False),
    Column("address", Text, primary_key=True),
    time("last_used_at", nullable=False),
    comment="An address, or a customer's IPv6 network, from which an account signed in.",
)

# It has no foreign key to accounts, because addresses without an account count too.
sign_in_attempts = Table(
    "paas_sign_in_attempts",
    metadata,
    number("id", primary_key=True),
    string("email_digest"),
    string("address"),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp(), index=True),
    matches("email_digest", DIGEST),
    comment="A try to sign in that failed, or has not ended yet. Of what was typed in, only the digest is kept.",
)

Index("paas_sign_in_attempts_email_digest_at_idx", sign_in_attempts.c.email_digest, sign_in_attempts.c.at)
Index("paas_sign_in_attempts_address_at_idx", sign_in_attempts.c.address, sign_in_attempts.c.at)
