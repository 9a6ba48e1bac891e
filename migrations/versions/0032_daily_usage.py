"""Usage of days, so that a month's is read from some thirty rows an app."""

from alembic import op

revision = "0032"
down_revision = "0031"

TABLE = """
CREATE TABLE paas_daily_usage (
    organization_id uuid NOT NULL,
    day date NOT NULL,
    app_id uuid NOT NULL,
    app_name text NOT NULL,
    dyno_seconds numeric(18,6) NOT NULL,
    cost numeric(18,6) NOT NULL,
    PRIMARY KEY (organization_id, day, app_id),
    CONSTRAINT paas_daily_usage_bounds_check CHECK (dyno_seconds >= 0 AND cost >= 0)
);
CREATE INDEX paas_daily_usage_app_id_idx ON paas_daily_usage (app_id);
COMMENT ON TABLE paas_daily_usage IS 'What an app used in the settled hours of a UTC day. A trigger adds up the hours.';
"""

TRIGGER = """
CREATE FUNCTION paas_add_up_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO paas_daily_usage AS known (organization_id, day, app_id, app_name, dyno_seconds, cost)
    SELECT organization_id, (hour AT TIME ZONE 'UTC')::date, app_id, (array_agg(app_name ORDER BY hour DESC))[1],
        sum(dyno_seconds), sum(cost)
    FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (organization_id, day, app_id) DO UPDATE
    SET app_name = excluded.app_name, dyno_seconds = known.dyno_seconds + excluded.dyno_seconds, cost = known.cost + excluded.cost;
    RETURN NULL;
END $$;
CREATE TRIGGER paas_add_up_usage AFTER INSERT ON paas_resource_usage REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION paas_add_up_usage();
"""

BEFORE = """
INSERT INTO paas_daily_usage (organization_id, day, app_id, app_name, dyno_seconds, cost)
SELECT organization_id, (hour AT TIME ZONE 'UTC')::date, app_id, (array_agg(app_name ORDER BY hour DESC))[1],
    sum(dyno_seconds), sum(cost)
FROM paas_resource_usage GROUP BY 1, 2, 3
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(TABLE)
    op.execute(TRIGGER)
    op.execute(BEFORE)
