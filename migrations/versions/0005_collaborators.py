"""People who may act for one app, and organizations that go by their names."""

from alembic import op

revision = "0005"
down_revision = "0004"

COLLABORATORS = """
CREATE TABLE paas_collaborators (
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    role smallint NOT NULL CHECK (role BETWEEN 1 AND 2),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (app_id, account_id)
);
CREATE INDEX paas_collaborators_account_id_idx ON paas_collaborators (account_id);

ALTER TABLE paas_organizations ADD CONSTRAINT paas_organizations_name_key UNIQUE (name);
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(COLLABORATORS)
