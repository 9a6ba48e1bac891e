"""Who owns apps, and who acts for them."""

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Index, SmallInteger, Table, Text, func, text

from skypanel.store.tables.columns import account, created_at, identity, metadata, reference

organizations = Table(
    "paas_organizations",
    metadata,
    identity(),
    Column("name", Text, nullable=False),
    Column("billed", Boolean, nullable=False, comment="Whether hours are charged to its wallet where the panel charges any."),
    created_at(),
    Column(
        "unpaid",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Its wallet is empty: nothing of it runs, and no usage is recorded.",
    ),
    Column(
        "settled_until",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("date_trunc('hour', now(), 'UTC')"),
        index=True,
        comment="Until when its usage is in paas_resource_usage, and charged for.",
    ),
    Column(
        "held",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="An administrator had its apps stop: so it stays, whatever its wallet has.",
    ),
    Column(
        "warned",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Its owners were told that its wallet is low; false once it is not.",
    ),
    comment="Who owns apps, and pays for them.",
)

memberships = Table(
    "paas_memberships",
    metadata,
    reference("organization_id", "paas_organizations", "CASCADE", primary_key=True, index=False),
    account("CASCADE", primary_key=True),
    Column("role", SmallInteger, nullable=False),
    created_at(),
    CheckConstraint("role BETWEEN 1 AND 4", name="role"),
    comment="What an account may do in an organization, as a viewer (1), developer (2), admin (3) or owner (4).",
)

# To a reader, names that differ only in letter case are the same.
Index("paas_organizations_lower_name_key", func.lower(organizations.c.name), unique=True)
