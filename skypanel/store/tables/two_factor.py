"""Second factors of sign-in, and passkeys."""

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, Table, Text, text

from skypanel.store.tables.columns import DIGEST, account, created_at, identity, matches, metadata, string, time

totp_secrets = Table(
    "paas_totp_secrets",
    metadata,
    account("CASCADE", primary_key=True, index=False),
    Column("secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False, server_default=text("0"), comment="Codes until this time step are used up."),
    created_at(),
    time("confirmed_at"),
    comment="An encrypted secret by which an app makes codes; sign-in asks for them once it is confirmed.",
)

recovery_codes = Table(
    "paas_recovery_codes",
    metadata,
    account("CASCADE", primary_key=True, index=False),
    Column("digest", Text, primary_key=True),
    matches("digest", DIGEST),
    comment="A code in place of an app's, which works once: its digest, never itself.",
)

pending_sign_ins = Table(
    "paas_pending_sign_ins",
    metadata,
    Column("digest", Text, primary_key=True),
    account("CASCADE"),
    time("expires_at", nullable=False),
    created_at(),
    matches("digest", DIGEST),
    comment="A sign-in by password or link that waits for its second factor, until it expires.",
)

passkeys = Table(
    "paas_passkeys",
    metadata,
    identity(),
    account("CASCADE"),
    Column("credential", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    string("name"),
    created_at(),
    time("last_used_at"),
    comment="A passkey by which an account signs in.",
)

used_challenges = Table(
    "paas_used_challenges",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    matches("digest", DIGEST),
    comment="A challenge that a passkey has answered, so that no answer counts twice.",
)
