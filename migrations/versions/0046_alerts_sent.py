"""Alerts of organizations and apps, and what is sent of them to whom."""

from alembic import op

revision = "0046"
down_revision = "0045"

ALERTS = """
ALTER TABLE paas_alerts DROP CONSTRAINT paas_alerts_kind_check;
ALTER TABLE paas_alerts ADD CONSTRAINT paas_alerts_kind_check CHECK (kind IN (
    'deploy_failed', 'crash_loop', 'memory_full', 'certificate_expiring', 'domain_lost', 'wallet_low',
    'node_inactive', 'disk_full', 'queue_stuck', 'panel_certificate_expiring'
));
ALTER TABLE paas_alerts
    ADD COLUMN organization_id uuid REFERENCES paas_organizations ON DELETE CASCADE,
    ADD COLUMN app_id uuid REFERENCES paas_applications ON DELETE CASCADE,
    ADD COLUMN seen_at timestamptz NOT NULL DEFAULT clock_timestamp();
UPDATE paas_alerts SET seen_at = coalesce(resolved_at, raised_at);
COMMENT ON TABLE paas_alerts IS 'A problem that people were told. What it is about may be gone.';
COMMENT ON COLUMN paas_alerts.organization_id IS 'Of the problem of an organization. One of an app belongs to whom the app belongs to.';
COMMENT ON COLUMN paas_alerts.seen_at IS 'When it was found last.';
CREATE INDEX paas_alerts_organization_id_idx ON paas_alerts (organization_id);
CREATE INDEX paas_alerts_app_id_idx ON paas_alerts (app_id);

CREATE TABLE paas_alert_silences (
    kind text NOT NULL,
    subject text NOT NULL,
    until timestamptz NOT NULL,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX paas_alert_silences_account_id_idx ON paas_alert_silences (account_id);
COMMENT ON TABLE paas_alert_silences IS 'Until when nothing is sent of a rule and a subject.';

CREATE TABLE paas_alert_destinations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid REFERENCES paas_organizations ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    name text NOT NULL,
    service text NOT NULL,
    url bytea NOT NULL,
    muted text[] NOT NULL DEFAULT '{}',
    attempt integer NOT NULL DEFAULT 0,
    busy_until timestamptz,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    failures integer NOT NULL DEFAULT 0,
    error text,
    sent timestamptz[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_alert_destinations_organization_id_idx ON paas_alert_destinations (organization_id);
CREATE INDEX paas_alert_destinations_account_id_idx ON paas_alert_destinations (account_id);
COMMENT ON TABLE paas_alert_destinations IS 'Where messages about alerts go: of an organization, else of the administrators.';
COMMENT ON COLUMN paas_alert_destinations.url IS 'An address for mail or a URL of Apprise, encrypted.';
COMMENT ON COLUMN paas_alert_destinations.muted IS 'Rules of which it gets nothing.';
COMMENT ON COLUMN paas_alert_destinations.attempt IS 'Grows with each claim: a worker that lost its lease is told apart by it.';
COMMENT ON COLUMN paas_alert_destinations.busy_until IS 'The lease of the worker that sends to it.';
COMMENT ON COLUMN paas_alert_destinations.due_at IS 'When it may be tried again after a failure.';
COMMENT ON COLUMN paas_alert_destinations.sent IS 'When it got its last messages, oldest first: within an hour there may be so many.';

CREATE TABLE paas_alert_messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id uuid NOT NULL REFERENCES paas_alerts ON DELETE CASCADE,
    destination_id uuid NOT NULL REFERENCES paas_alert_destinations ON DELETE CASCADE,
    event text NOT NULL CONSTRAINT paas_alert_messages_event_check CHECK (event IN ('opened', 'resolved')),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT paas_alert_messages_alert_id_destination_id_event_key UNIQUE (alert_id, destination_id, event)
);
CREATE INDEX paas_alert_messages_destination_id_idx ON paas_alert_messages (destination_id);
CREATE INDEX paas_alert_messages_waiting_idx ON paas_alert_messages (destination_id) WHERE sent_at IS NULL;
COMMENT ON TABLE paas_alert_messages IS 'What a destination is told of an alert, once. It waits until it was sent.';
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(ALERTS)
