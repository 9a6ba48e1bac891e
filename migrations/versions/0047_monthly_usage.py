"""Usage of months, and of all apps together by day: a month is read from a row an app and a row a day."""

from alembic import op

revision = "0047"
down_revision = "0046"

TABLES = """
CREATE TABLE paas_monthly_usage (
    organization_id uuid NOT NULL,
    month date NOT NULL,
    app_id uuid NOT NULL,
    app_name text NOT NULL,
    dyno_seconds numeric(18,6) NOT NULL,
    cost numeric(18,6) NOT NULL,
    PRIMARY KEY (organization_id, month, app_id),
    CONSTRAINT paas_monthly_usage_month_check CHECK (extract(day FROM month) = 1),
    CONSTRAINT paas_monthly_usage_bounds_check CHECK (dyno_seconds >= 0 AND cost >= 0)
);
CREATE INDEX paas_monthly_usage_app_id_idx ON paas_monthly_usage (app_id);
COMMENT ON TABLE paas_monthly_usage IS 'What an app used in the settled hours of a UTC month. A trigger adds up the hours.';

CREATE TABLE paas_daily_totals (
    organization_id uuid NOT NULL,
    day date NOT NULL,
    dyno_seconds numeric(18,6) NOT NULL,
    cost numeric(18,6) NOT NULL,
    PRIMARY KEY (organization_id, day),
    CONSTRAINT paas_daily_totals_bounds_check CHECK (dyno_seconds >= 0 AND cost >= 0)
);
COMMENT ON TABLE paas_daily_totals IS
    'What all apps of an organization used in the settled hours of a UTC day. A trigger adds up the hours.';
"""

# The sums stay right because no hour changes.
TRIGGERS = """
CREATE OR REPLACE FUNCTION paas_add_up_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO paas_daily_usage AS known (organization_id, day, app_id, app_name, dyno_seconds, cost)
    SELECT organization_id, (hour AT TIME ZONE 'UTC')::date, app_id, (array_agg(app_name ORDER BY hour DESC))[1],
        sum(dyno_seconds), sum(cost)
    FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (organization_id, day, app_id) DO UPDATE
    SET app_name = excluded.app_name, dyno_seconds = known.dyno_seconds + excluded.dyno_seconds, cost = known.cost + excluded.cost;
    INSERT INTO paas_monthly_usage AS known (organization_id, month, app_id, app_name, dyno_seconds, cost)
    SELECT organization_id, date_trunc('month', hour AT TIME ZONE 'UTC')::date, app_id, (array_agg(app_name ORDER BY hour DESC))[1],
        sum(dyno_seconds), sum(cost)
    FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (organization_id, month, app_id) DO UPDATE
    SET app_name = excluded.app_name, dyno_seconds = known.dyno_seconds + excluded.dyno_seconds, cost = known.cost + excluded.cost;
    INSERT INTO paas_daily_totals AS known (organization_id, day, dyno_seconds, cost)
    SELECT organization_id, (hour AT TIME ZONE 'UTC')::date, sum(dyno_seconds), sum(cost)
    FROM added GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (organization_id, day) DO UPDATE
    SET dyno_seconds = known.dyno_seconds + excluded.dyno_seconds, cost = known.cost + excluded.cost;
    RETURN NULL;
END $$;
CREATE TRIGGER paas_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON paas_resource_usage EXECUTE FUNCTION paas_refuse_change();
COMMENT ON TABLE paas_resource_usage IS 'What an app used in an hour that is settled. A trigger lets nobody change or remove it.';
"""

BEFORE = """
INSERT INTO paas_monthly_usage (organization_id, month, app_id, app_name, dyno_seconds, cost)
SELECT organization_id, date_trunc('month', day::timestamp)::date, app_id, (array_agg(app_name ORDER BY day DESC))[1],
    sum(dyno_seconds), sum(cost)
FROM paas_daily_usage GROUP BY 1, 2, 3;
INSERT INTO paas_daily_totals (organization_id, day, dyno_seconds, cost)
SELECT organization_id, day, sum(dyno_seconds), sum(cost) FROM paas_daily_usage GROUP BY 1, 2;
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(TABLES)
    op.execute(TRIGGERS)
    op.execute(BEFORE)
