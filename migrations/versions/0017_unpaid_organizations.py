"""A column's name that says why: the apps of an organization whose wallet is empty are stopped, as are those of one that is held."""

from alembic import op

revision = "0017"
down_revision = "0016"

# The trigger on the column follows by itself, a function's text does not.
UNPAID = """
ALTER TABLE paas_organizations RENAME COLUMN suspended TO unpaid;
DO $$
BEGIN
    -- From Postgres 18 on NOT NULL has a name, after the column.
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'paas_organizations_suspended_not_null') THEN
        ALTER TABLE paas_organizations RENAME CONSTRAINT paas_organizations_suspended_not_null TO paas_organizations_unpaid_not_null;
    END IF;
END
$$;

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
    WHERE a.id = app AND NOT (o.unpaid OR o.held) AND f.quantity > 0 AND s.process_types::jsonb ? f.process_type
$$;
"""


def upgrade() -> None:
    """Rename the column."""
    op.execute(UNPAID)
