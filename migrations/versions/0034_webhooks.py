"""Webhooks of apps."""

from alembic import op

revision = "0034"
down_revision = "0033"

TABLES = """
CREATE TABLE paas_webhooks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    url text NOT NULL CHECK (url LIKE 'https://%'),
    include text[] NOT NULL CHECK (cardinality(include) > 0),
    level text NOT NULL CHECK (level IN ('notify', 'sync')),
    secret bytea NOT NULL,
    "authorization" bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_webhooks_app_id_idx ON paas_webhooks (app_id);
CREATE INDEX paas_webhooks_account_id_idx ON paas_webhooks (account_id);
COMMENT ON TABLE paas_webhooks IS
    'A URL that gets what happens to an app, with the encrypted secret that signs it, and an authorization header.';

CREATE TABLE paas_webhook_events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    include text NOT NULL,
    action text NOT NULL CHECK (action IN ('create', 'update')),
    resource text NOT NULL,
    fields json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_webhook_events_app_id_number_idx ON paas_webhook_events (app_id, number);
CREATE INDEX paas_webhook_events_account_id_idx ON paas_webhook_events (account_id);
CREATE INDEX paas_webhook_events_created_at_idx ON paas_webhook_events (created_at);
COMMENT ON TABLE paas_webhook_events IS
    'Something that happened to an app with a webhook for it, with columns of the row as it was then. Triggers write it.';

CREATE TABLE paas_webhook_deliveries (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    webhook_id uuid NOT NULL REFERENCES paas_webhooks ON DELETE CASCADE,
    event_id uuid NOT NULL REFERENCES paas_webhook_events ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'retrying', 'succeeded', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    code integer,
    error text,
    attempted_at timestamptz,
    due_at timestamptz DEFAULT clock_timestamp(),
    busy_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT paas_webhook_deliveries_due_check CHECK ((status IN ('pending', 'retrying')) = (due_at IS NOT NULL))
);
CREATE INDEX paas_webhook_deliveries_webhook_id_idx ON paas_webhook_deliveries (webhook_id);
CREATE INDEX paas_webhook_deliveries_event_id_idx ON paas_webhook_deliveries (event_id);
CREATE INDEX paas_webhook_deliveries_due_at_idx ON paas_webhook_deliveries (due_at);
COMMENT ON COLUMN paas_webhook_deliveries.attempts IS 'Grows with each claim: a worker that lost its lease is told apart by it.';
COMMENT ON COLUMN paas_webhook_deliveries.busy_until IS 'The lease of the worker that sends it.';
COMMENT ON TABLE paas_webhook_deliveries IS 'An event for one webhook, which a worker sends.';
"""

# In the transaction of the change itself, so that no event is lost and none is of a change that was undone.
TRIGGERS = """
CREATE FUNCTION paas_publish(app uuid, entity text, operation text, changed text, who uuid, columns json)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    event uuid;
BEGIN
    IF NOT EXISTS (SELECT FROM paas_webhooks WHERE app_id = app AND entity = ANY (include)) THEN
        RETURN;
    END IF;
    INSERT INTO paas_webhook_events (app_id, account_id, include, action, resource, fields)
    VALUES (app, who, entity, CASE operation WHEN 'INSERT' THEN 'create' ELSE 'update' END, changed, columns)
    RETURNING id INTO event;
    INSERT INTO paas_webhook_deliveries (webhook_id, event_id)
    SELECT id, event FROM paas_webhooks WHERE app_id = app AND entity = ANY (include);
END $$;

CREATE FUNCTION paas_publish_build() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- In the API, a build that waits and one that runs are both pending.
    IF TG_OP = 'INSERT' OR NEW.state IN ('succeeded', 'failed') THEN
        PERFORM paas_publish(NEW.app_id, 'api:build', TG_OP, NEW.id::text, NEW.account_id, json_build_object(
            'state', NEW.state, 'slug_id', NEW.slug_id, 'source_commit', NEW.source_commit, 'created_at', NEW.created_at));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER paas_publish AFTER INSERT OR UPDATE OF state ON paas_builds FOR EACH ROW EXECUTE FUNCTION paas_publish_build();

CREATE FUNCTION paas_publish_release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR OLD.state <> NEW.state THEN
        PERFORM paas_publish(NEW.app_id, 'api:release', TG_OP, NEW.id::text, NEW.account_id, json_build_object(
            'state', NEW.state, 'slug_id', NEW.slug_id, 'version', NEW.version, 'description', NEW.description,
            'created_at', NEW.created_at));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER paas_publish AFTER INSERT OR UPDATE OF state ON paas_releases FOR EACH ROW EXECUTE FUNCTION paas_publish_release();

CREATE FUNCTION paas_publish_formation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR OLD.quantity <> NEW.quantity THEN
        PERFORM paas_publish(NEW.app_id, 'api:formation', TG_OP, NEW.process_type, NULL, json_build_object('quantity', NEW.quantity));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER paas_publish AFTER INSERT OR UPDATE OF quantity ON paas_formations
    FOR EACH ROW EXECUTE FUNCTION paas_publish_formation();
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(TABLES)
    op.execute(TRIGGERS)
