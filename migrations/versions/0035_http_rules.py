"""How requests to apps are served."""

from alembic import op

revision = "0035"
down_revision = "0034"

RULES = """
ALTER TABLE paas_applications
    ADD COLUMN first_byte_timeout_s integer,
    ADD COLUMN idle_timeout_s integer,
    ADD COLUMN https_redirect boolean,
    ADD CONSTRAINT paas_applications_timeouts_check CHECK (first_byte_timeout_s > 0 AND idle_timeout_s > 0);
COMMENT ON COLUMN paas_applications.first_byte_timeout_s IS 'NULL for the panel''s setting.';
COMMENT ON COLUMN paas_applications.idle_timeout_s IS 'NULL for the panel''s setting.';
COMMENT ON COLUMN paas_applications.https_redirect IS 'NULL to redirect hosts with a certificate.';
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(RULES)
