"""What dynos use, as arrays of values."""

from alembic import op

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    """Expand the schema."""
    op.execute(
        """
        CREATE TABLE paas_metrics (
            app_id uuid NOT NULL REFERENCES paas_applications (id) ON DELETE CASCADE,
            step_s integer NOT NULL,
            begins timestamptz NOT NULL,
            dyno text NOT NULL,
            cpu real[] NOT NULL,
            memory real[] NOT NULL,
            disk real[] NOT NULL,
            received real[] NOT NULL,
            sent real[] NOT NULL,
            restarts real[] NOT NULL,
            PRIMARY KEY (app_id, step_s, begins, dyno)
        ) WITH (toast_tuple_target = 8160, fillfactor = 70)
        """
    )
    op.execute("CREATE INDEX paas_metrics_step_s_begins_idx ON paas_metrics (step_s, begins)")
    op.execute(
        "COMMENT ON TABLE paas_metrics IS "
        "'What a dyno used from a time on: value n of each array is that of n - 1 steps later, NULL where nothing was measured.'"
    )
    op.execute("COMMENT ON COLUMN paas_metrics.cpu IS 'Cores.'")
    op.execute("COMMENT ON COLUMN paas_metrics.memory IS 'Bytes.'")
    op.execute("COMMENT ON COLUMN paas_metrics.disk IS 'Bytes.'")
    op.execute("COMMENT ON COLUMN paas_metrics.received IS 'Bytes a second.'")
    op.execute("COMMENT ON COLUMN paas_metrics.sent IS 'Bytes a second.'")
    op.execute("COMMENT ON COLUMN paas_metrics.restarts IS 'Since the dyno was started first.'")
