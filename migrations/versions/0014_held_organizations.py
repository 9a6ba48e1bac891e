"""Organizations whose apps an administrator stopped, and what came into a wallet without its charges."""

from alembic import op

revision = "0014"
down_revision = "0013"

HELD = """
ALTER TABLE paas_organizations ADD COLUMN held boolean NOT NULL DEFAULT false;

CREATE OR REPLACE FUNCTION paas_wanted_dynos(app uuid) RETURNS TABLE (
    organization_id uuid, app_name text, process_type text, plan_version_id uuid, hourly_price numeric, quantity integer
) LANGUAGE sql STABLE AS $$
    SELECT a.organization_id, a.name, f.process_type, v.id, v.hourly_price, f.quantity
    FROM paas_applications AS a
    JOIN paas_organizations AS o ON o.id = a.organization_id
    JOIN paas_plan_versions AS v ON v.id = a.plan_version_id
    JOIN paas_releases AS r ON r.id = a.current_release_id
    JOIN paas_slugs AS s ON s.id = r.slug_id
    JOIN paas_formations AS f ON f.app_id = a.id
    WHERE a.id = app AND NOT (o.suspended OR o.held) AND f.quantity > 0 AND s.process_types::jsonb ? f.process_type
$$;

DROP TRIGGER paas_track_usage ON paas_organizations;
CREATE TRIGGER paas_track_usage
    AFTER UPDATE OF suspended, held ON paas_organizations
    FOR EACH ROW WHEN ((OLD.suspended OR OLD.held) <> (NEW.suspended OR NEW.held)) EXECUTE FUNCTION paas_track_organization();

CREATE INDEX paas_wallet_entries_income_idx ON paas_wallet_entries (organization_id) WHERE kind <> 'charge';
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(HELD)
