"""Usage, wallets, and organizations that cannot pay."""

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = """
ALTER TABLE paas_organizations
    ADD COLUMN suspended boolean NOT NULL DEFAULT false,
    ADD COLUMN settled_until timestamptz NOT NULL DEFAULT date_trunc('hour', now(), 'UTC');
CREATE INDEX paas_organizations_settled_until_idx ON paas_organizations (settled_until);

CREATE TABLE paas_usage_spans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    app_id uuid NOT NULL,
    app_name text NOT NULL,
    process_type text NOT NULL,
    plan_version_id uuid NOT NULL,
    hourly_price numeric(12, 4) NOT NULL,
    quantity integer NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    CONSTRAINT paas_usage_spans_quantity_check CHECK (quantity > 0),
    CONSTRAINT paas_usage_spans_until_check CHECK (until >= since)
);
CREATE INDEX paas_usage_spans_app_id_until_idx ON paas_usage_spans (app_id, until);
CREATE INDEX paas_usage_spans_organization_id_until_idx ON paas_usage_spans (organization_id, until);
CREATE UNIQUE INDEX paas_usage_spans_open_key ON paas_usage_spans (app_id, process_type) WHERE until IS NULL;

CREATE TABLE paas_resource_usage (
    organization_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    app_id uuid NOT NULL,
    app_name text NOT NULL,
    dyno_seconds numeric(18, 6) NOT NULL,
    cost numeric(18, 6) NOT NULL,
    PRIMARY KEY (organization_id, hour, app_id),
    CONSTRAINT paas_resource_usage_bounds_check CHECK (dyno_seconds >= 0 AND cost >= 0)
);
CREATE INDEX paas_resource_usage_app_id_idx ON paas_resource_usage (app_id);

CREATE TABLE paas_wallet_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    amount numeric(18, 6) NOT NULL,
    balance numeric(18, 6) NOT NULL,
    hour timestamptz,
    note text NOT NULL DEFAULT '',
    account_id uuid,
    email text,
    CONSTRAINT paas_wallet_entries_kind_check CHECK (kind IN ('opening', 'credit', 'charge')),
    CONSTRAINT paas_wallet_entries_hour_check CHECK ((kind = 'charge') = (hour IS NOT NULL))
);
CREATE INDEX paas_wallet_entries_organization_id_id_idx ON paas_wallet_entries (organization_id, id);
CREATE INDEX paas_wallet_entries_account_id_idx ON paas_wallet_entries (account_id);
CREATE UNIQUE INDEX paas_wallet_entries_opening_key ON paas_wallet_entries (organization_id) WHERE kind = 'opening';
CREATE UNIQUE INDEX paas_wallet_entries_charge_key ON paas_wallet_entries (organization_id, hour) WHERE kind = 'charge';
"""

# What an app is to run is worked out anew whenever something that it depends on changes. The lock of the app keeps two
# changes at once from each missing the other. Whoever holds 'usage' for itself knows that no change of before is on its way.
TRIGGERS = """
CREATE FUNCTION paas_wanted_dynos(app uuid) RETURNS TABLE (
    organization_id uuid, app_name text, process_type text, plan_version_id uuid, hourly_price numeric, quantity integer
) LANGUAGE sql STABLE AS $$
    SELECT a.organization_id, a.name, f.process_type, v.id, v.hourly_price, f.quantity
    FROM paas_applications AS a
    JOIN paas_organizations AS o ON o.id = a.organization_id
    JOIN paas_plan_versions AS v ON v.id = a.plan_version_id
    JOIN paas_releases AS r ON r.id = a.current_release_id
    JOIN paas_slugs AS s ON s.id = r.slug_id
    JOIN paas_formations AS f ON f.app_id = a.id
    WHERE a.id = app AND NOT o.suspended AND f.quantity > 0 AND s.process_types::jsonb ? f.process_type
$$;

CREATE FUNCTION paas_track_usage(app uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('usage', 0));
    PERFORM pg_advisory_xact_lock(hashtextextended('usage of ' || app, 0));
    -- The clock may be set back; what was used is not.
    SELECT greatest(
        clock_timestamp(),
        (SELECT max(until) FROM paas_usage_spans WHERE app_id = app),
        (SELECT max(since) FROM paas_usage_spans WHERE app_id = app AND until IS NULL)
    ) INTO moment;
    UPDATE paas_usage_spans AS open SET until = moment
    WHERE open.app_id = app AND open.until IS NULL AND NOT EXISTS (
        SELECT FROM paas_wanted_dynos(app) AS wanted
        WHERE wanted.process_type = open.process_type AND wanted.quantity = open.quantity
            AND wanted.organization_id = open.organization_id AND wanted.app_name = open.app_name
            AND wanted.plan_version_id = open.plan_version_id AND wanted.hourly_price = open.hourly_price
    );
    INSERT INTO paas_usage_spans (organization_id, app_id, app_name, process_type, plan_version_id, hourly_price, quantity, since)
    SELECT wanted.organization_id, app, wanted.app_name, wanted.process_type, wanted.plan_version_id, wanted.hourly_price,
        wanted.quantity, moment
    FROM paas_wanted_dynos(app) AS wanted
    WHERE NOT EXISTS (
        SELECT FROM paas_usage_spans AS open
        WHERE open.app_id = app AND open.until IS NULL AND open.process_type = wanted.process_type
    );
END $$;

CREATE FUNCTION paas_track_app() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM paas_track_usage(coalesce(NEW.id, OLD.id));
    RETURN NULL;
END $$;
CREATE TRIGGER paas_track_usage
    AFTER INSERT OR DELETE OR UPDATE OF name, organization_id, plan_version_id, current_release_id ON paas_applications
    FOR EACH ROW EXECUTE FUNCTION paas_track_app();

CREATE FUNCTION paas_track_formation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM paas_track_usage(coalesce(NEW.app_id, OLD.app_id));
    RETURN NULL;
END $$;
CREATE TRIGGER paas_track_usage
    AFTER INSERT OR DELETE OR UPDATE ON paas_formations
    FOR EACH ROW EXECUTE FUNCTION paas_track_formation();

CREATE FUNCTION paas_track_organization() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM paas_track_usage(id) FROM (SELECT id FROM paas_applications WHERE organization_id = NEW.id ORDER BY id) AS own;
    RETURN NULL;
END $$;
CREATE TRIGGER paas_track_usage
    AFTER UPDATE OF suspended ON paas_organizations
    FOR EACH ROW WHEN (OLD.suspended <> NEW.suspended) EXECUTE FUNCTION paas_track_organization();

CREATE FUNCTION paas_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'a line of ' || TG_TABLE_NAME || ' is never changed';
END $$;
CREATE TRIGGER paas_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON paas_wallet_entries EXECUTE FUNCTION paas_refuse_change();
"""

# What runs already counts from now on.
BEGIN = "SELECT paas_track_usage(id) FROM (SELECT id FROM paas_applications ORDER BY id) AS own"


def upgrade() -> None:
    """Expand the schema."""
    op.execute(TABLES)
    op.execute(TRIGGERS)
    op.execute(BEGIN)
