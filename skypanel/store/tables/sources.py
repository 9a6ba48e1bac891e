"""Where what is built comes from, where that is not a push."""

from sqlalchemy import CheckConstraint, Column, DateTime, LargeBinary, Table, Text, func

from skypanel.store.tables.columns import DIGEST, account, app, created_at, identity, matches, metadata, string, time

uploads = Table(
    "paas_uploads",
    metadata,
    identity(),
    account("CASCADE"),
    Column("put_digest", Text, nullable=False, unique=True),
    string("source_digest", nullable=True),
    string("checksum", nullable=True),
    time("expires_at", nullable=False),
    created_at(),
    matches("put_digest", DIGEST),
    matches("source_digest", DIGEST),
    matches("checksum", DIGEST),
    CheckConstraint("num_nonnulls(source_digest, checksum) IN (0, 2)", name="source"),
    comment="An archive that somebody may upload once, and what came of it: the source, and the digest of the bytes as they were sent.",
)

remotes = Table(
    "paas_remotes",
    metadata,
    app(primary_key=True, index=False),
    string("url"),
    string("branch"),
    string("host_key", nullable=True),
    Column("chosen_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    account(),
    comment="The git URL that an app is deployed from where that is not a push, and what its SSH server showed when it was chosen.",
)

deploy_keys = Table(
    "paas_deploy_keys",
    metadata,
    app(primary_key=True, index=False),
    string("public_key"),
    Column("secret", LargeBinary, nullable=False),
    created_at(),
    comment="The key pair by which an app reads repositories elsewhere: what it signs with is encrypted.",
)
