"""What a dyno may use, and what it costs."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, Index, Integer, Numeric, Table, Text, UniqueConstraint, func

from skypanel.store.tables.columns import created_at, identity, metadata, reference, time

plans = Table(
    "paas_plans",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    created_at(),
    time("retired_at"),
    comment="A size of dynos. A retired one is not offered any more; apps stay on it.",
)

plan_versions = Table(
    "paas_plan_versions",
    metadata,
    identity(),
    reference("plan_id", "paas_plans", "CASCADE", index=False),
    Column("version", Integer, nullable=False),
    Column("cpu_cores", Double, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("max_replicas", Integer, nullable=False),
    Column("hourly_price", Numeric(12, 4), nullable=False),
    created_at(),
    UniqueConstraint("plan_id", "version"),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("cpu_cores > 0 AND memory_bytes > 0 AND max_replicas > 0 AND hourly_price >= 0", name="bounds"),
    comment="What a plan grants each dyno, and what that costs an hour. It is never changed: apps keep the version that they hold.",
)

# To a reader, names that differ only in letter case are the same.
Index("paas_plans_lower_name_key", func.lower(plans.c.name), unique=True)
