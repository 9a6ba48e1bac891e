"""Wildcards as domains of apps: whether the panel can prove one to a CA."""

from alembic import op

revision = "0045"
down_revision = "0044"

COLUMN = """
ALTER TABLE paas_domains ADD COLUMN delegation_problem text;
COMMENT ON COLUMN paas_domains.delegation_problem IS 'Why the panel cannot prove a wildcard to a CA.';
"""
TRIGGER = """
DROP TRIGGER paas_look_again ON paas_domains;
CREATE TRIGGER paas_look_again AFTER UPDATE ON paas_domains FOR EACH ROW
    WHEN ((OLD.name, OLD.app_id, OLD.verified_at, OLD.leads_here, OLD.delegation_problem IS NULL)
        IS DISTINCT FROM (NEW.name, NEW.app_id, NEW.verified_at, NEW.leads_here, NEW.delegation_problem IS NULL))
    EXECUTE FUNCTION paas_look_at_domain();
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(COLUMN)
    op.execute(TRIGGER)
