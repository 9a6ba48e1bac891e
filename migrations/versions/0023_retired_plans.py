"""Plans that are not offered any more."""

from alembic import op

revision = "0023"
down_revision = "0022"

RETIRED = """
ALTER TABLE paas_plans ADD COLUMN retired_at timestamptz;
COMMENT ON TABLE paas_plans IS 'A size of dynos. A retired one is not offered any more; apps stay on it.';
CREATE UNIQUE INDEX paas_plans_lower_name_key ON paas_plans (lower(name));
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(RETIRED)
