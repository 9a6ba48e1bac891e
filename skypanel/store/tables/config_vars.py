"""What apps are told by their environment."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, LargeBinary, Table, UniqueConstraint, true

from skypanel.store.tables.columns import account, app, created_at, identity, matches, metadata, number, reference, string

config_versions = Table(
    "paas_config_versions",
    metadata,
    identity(),
    app(index=False),
    Column("number", Integer, nullable=False),
    account(),
    created_at(),
    UniqueConstraint("app_id", "number"),
    CheckConstraint("number > 0", name="number"),
    comment="The config vars of an app, as one change left them.",
)

config_vars = Table(
    "paas_config_vars",
    metadata,
    number("id", primary_key=True),
    reference("config_version_id", "paas_config_versions", "CASCADE", index=False),
    string("key"),
    Column("secret", LargeBinary, nullable=False),
    Column(
        "changed",
        Boolean,
        nullable=False,
        server_default=true(),
        comment="Whether this version set the value, rather than the version before it.",
    ),
    UniqueConstraint("config_version_id", "key"),
    matches("key", "^[A-Z0-9_]+$"),
    comment="A config var of one version: its value is encrypted.",
)

Index("paas_config_vars_changed_idx", config_vars.c.config_version_id, config_vars.c.key, postgresql_where=config_vars.c.changed)
