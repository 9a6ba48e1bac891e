"""Archives that are uploaded to be built."""

from alembic import op

revision = "0010"
down_revision = "0009"

UPLOADS = """
CREATE TABLE paas_uploads (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    put_digest text NOT NULL UNIQUE,
    source_digest text,
    checksum text,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT paas_uploads_put_digest_check CHECK (put_digest ~ '^[0-9a-f]{64}$'),
    CONSTRAINT paas_uploads_source_digest_check CHECK (source_digest ~ '^[0-9a-f]{64}$'),
    CONSTRAINT paas_uploads_checksum_check CHECK (checksum ~ '^[0-9a-f]{64}$'),
    CONSTRAINT paas_uploads_source_check CHECK (num_nonnulls(source_digest, checksum) IN (0, 2))
);
CREATE INDEX paas_uploads_account_id_idx ON paas_uploads (account_id);
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(UPLOADS)
