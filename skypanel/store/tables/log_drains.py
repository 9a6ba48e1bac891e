"""Log drains of apps."""

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, Table, func, text

from skypanel.store.tables.columns import account, app, created_at, identity, metadata, string

log_drains = Table(
    "paas_log_drains",
    metadata,
    identity(),
    app(),
    account(),
    Column("url", LargeBinary, nullable=False, comment="Encrypted, because it may contain a secret."),
    string("shown"),
    Column(
        "sent_until",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.clock_timestamp(),
        comment="The time of the last line that was sent. Sending continues after it.",
    ),
    Column("dropped", BigInteger, nullable=False, server_default=text("0")),
    string("error", nullable=True),
    created_at(),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    comment="A server that gets the log lines of an app. `shown` is its URL without secrets.",
)
