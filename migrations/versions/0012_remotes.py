"""Git repositories elsewhere that apps are deployed from, and the keys to them."""

from alembic import op

revision = "0012"
down_revision = "0011"

REMOTES = """
CREATE TABLE paas_remotes (
    app_id uuid PRIMARY KEY REFERENCES paas_applications ON DELETE CASCADE,
    url text NOT NULL,
    branch text NOT NULL,
    host_key text,
    chosen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL
);
CREATE INDEX paas_remotes_account_id_idx ON paas_remotes (account_id);

CREATE TABLE paas_deploy_keys (
    app_id uuid PRIMARY KEY REFERENCES paas_applications ON DELETE CASCADE,
    public_key text NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(REMOTES)
