"""What apps used, and what organizations paid."""

from typing import Any

from sqlalchemy import CheckConstraint, Column, Date, DateTime, Index, Integer, Numeric, Table, Text, Uuid, func, text

from skypanel.domain.billing import EntryKind
from skypanel.store.tables.columns import metadata, number, one_of, string, time


def _used() -> tuple[Column[Any] | CheckConstraint, ...]:
    """Return the columns for the time and the cost of dynos, which are never negative."""
    return (
        Column("dyno_seconds", Numeric(18, 6), nullable=False),
        Column("cost", Numeric(18, 6), nullable=False),
        CheckConstraint("dyno_seconds >= 0 AND cost >= 0", name="bounds"),
    )


# No foreign keys in this module: records of usage and payments outlive apps and organizations.
usage_spans = Table(
    "paas_usage_spans",
    metadata,
    number("id", primary_key=True),
    Column("organization_id", Uuid, nullable=False),
    Column("app_id", Uuid, nullable=False),
    string("app_name"),
    string("process_type"),
    Column("plan_version_id", Uuid, nullable=False),
    Column("hourly_price", Numeric(12, 4), nullable=False),
    Column("quantity", Integer, nullable=False),
    time("since", nullable=False),
    time("until"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("until >= since", name="until"),
    comment="A time through which an app was to run so many dynos at one price; without an end, it still is. Triggers write it.",
)

resource_usage = Table(
    "paas_resource_usage",
    metadata,
    Column("organization_id", Uuid, primary_key=True),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("app_id", Uuid, primary_key=True, index=True),
    string("app_name"),
    *_used(),
    comment="What an app used in an hour that is settled. A trigger lets nobody change or remove it.",
)

daily_usage = Table(
    "paas_daily_usage",
    metadata,
    Column("organization_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("app_id", Uuid, primary_key=True, index=True),
    string("app_name"),
    *_used(),
    comment="What an app used in the settled hours of a UTC day. A trigger adds up the hours.",
)

monthly_usage = Table(
    "paas_monthly_usage",
    metadata,
    Column("organization_id", Uuid, primary_key=True),
    Column("month", Date, primary_key=True),
    Column("app_id", Uuid, primary_key=True, index=True),
    string("app_name"),
    *_used(),
    CheckConstraint("extract(day FROM month) = 1", name="month"),
    comment="What an app used in the settled hours of a UTC month. A trigger adds up the hours.",
)

daily_totals = Table(
    "paas_daily_totals",
    metadata,
    Column("organization_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True),
    *_used(),
    comment="What all apps of an organization used in the settled hours of a UTC day. A trigger adds up the hours.",
)

wallet_entries = Table(
    "paas_wallet_entries",
    metadata,
    number("id", primary_key=True),
    Column("organization_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    string("kind"),
    Column("amount", Numeric(18, 6), nullable=False),
    Column("balance", Numeric(18, 6), nullable=False),
    time("hour"),
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("account_id", Uuid, index=True),
    string("email", nullable=True),
    one_of("kind", EntryKind),
    CheckConstraint("(kind = 'charge') = (hour IS NOT NULL)", name="hour"),
    comment="A line of a wallet: what it changed, and what was left then. A trigger lets nobody change or remove it.",
)

OPEN_SPAN = usage_spans.c.until.is_(None)
OPENING = wallet_entries.c.kind == EntryKind.OPENING
CHARGE = wallet_entries.c.kind == EntryKind.CHARGE
INCOME = wallet_entries.c.kind != EntryKind.CHARGE

Index("paas_usage_spans_app_id_until_idx", usage_spans.c.app_id, usage_spans.c.until)
Index("paas_usage_spans_organization_id_until_idx", usage_spans.c.organization_id, usage_spans.c.until)
Index("paas_usage_spans_open_key", usage_spans.c.app_id, usage_spans.c.process_type, unique=True, postgresql_where=OPEN_SPAN)
Index("paas_wallet_entries_organization_id_id_idx", wallet_entries.c.organization_id, wallet_entries.c.id)
Index("paas_wallet_entries_opening_key", wallet_entries.c.organization_id, unique=True, postgresql_where=OPENING)
Index("paas_wallet_entries_charge_key", wallet_entries.c.organization_id, wallet_entries.c.hour, unique=True, postgresql_where=CHARGE)
Index("paas_wallet_entries_income_idx", wallet_entries.c.organization_id, postgresql_where=INCOME)
