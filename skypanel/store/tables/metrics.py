"""What dynos use."""

from sqlalchemy import REAL, Column, DateTime, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from skypanel.store.tables.columns import app, metadata


def _values(name: str, unit: str) -> Column[list[float | None]]:
    return Column(name, ARRAY(REAL), nullable=False, comment=unit)


metrics = Table(
    "paas_metrics",
    metadata,
    app(primary_key=True, index=False),
    Column("step_s", Integer, primary_key=True, autoincrement=False),
    Column("begins", DateTime(timezone=True), primary_key=True),
    Column("dyno", Text, primary_key=True),
    _values("cpu", "Cores."),
    _values("memory", "Bytes."),
    _values("disk", "Bytes."),
    _values("received", "Bytes a second."),
    _values("sent", "Bytes a second."),
    _values("restarts", "Since the dyno was started first."),
    comment="What a dyno used from a time on: value n of each array is that of n - 1 steps later, NULL where nothing was measured.",
)

Index("paas_metrics_step_s_begins_idx", metrics.c.step_s, metrics.c.begins)
