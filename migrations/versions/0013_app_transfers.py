"""Offers of apps to other people."""

from alembic import op

revision = "0013"
down_revision = "0012"

TRANSFERS = """
CREATE TABLE paas_app_transfers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    sender_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    recipient_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    state text NOT NULL CHECK (state IN ('pending', 'accepted', 'declined')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    answered_at timestamptz,
    CONSTRAINT paas_app_transfers_answer_check CHECK ((state = 'pending') = (answered_at IS NULL))
);
CREATE INDEX paas_app_transfers_app_id_idx ON paas_app_transfers (app_id);
CREATE INDEX paas_app_transfers_sender_id_idx ON paas_app_transfers (sender_id);
CREATE INDEX paas_app_transfers_recipient_id_idx ON paas_app_transfers (recipient_id);
CREATE UNIQUE INDEX paas_app_transfers_pending_key ON paas_app_transfers (app_id) WHERE state = 'pending';
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(TRANSFERS)
