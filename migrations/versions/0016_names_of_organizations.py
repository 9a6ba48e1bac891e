"""Names of organizations that differ by more than the case of their letters: of those that do not, the oldest keeps its own."""

from alembic import op

revision = "0016"
down_revision = "0015"

# A name has at most 60 characters.
TELL_APART = """
DO $$
DECLARE
    twin record;
    free text;
    number integer;
BEGIN
    FOR twin IN
        SELECT id, name FROM (
            SELECT id, name, row_number() OVER (PARTITION BY lower(name) ORDER BY created_at, id) AS place FROM paas_organizations
        ) AS alike WHERE place > 1 ORDER BY name
    LOOP
        number := 2;
        LOOP
            free := rtrim(left(twin.name, 54), ' -') || '-' || number;
            EXIT WHEN NOT EXISTS (SELECT FROM paas_organizations WHERE lower(name) = lower(free));
            number := number + 1;
        END LOOP;
        UPDATE paas_organizations SET name = free WHERE id = twin.id;
        INSERT INTO paas_audit_log (action, organization_id, details)
            VALUES ('organization.rename', twin.id, jsonb_build_object('before', twin.name, 'name', free, 'by', 'migration 0016'));
    END LOOP;
END
$$;
"""
UNIQUE = """
CREATE UNIQUE INDEX paas_organizations_lower_name_key ON paas_organizations (lower(name));
ALTER TABLE paas_organizations DROP CONSTRAINT paas_organizations_name_key;
"""


def upgrade() -> None:
    """Rename what only the case of letters tells apart, and let there be no more of it."""
    op.execute(TELL_APART)
    op.execute(UNIQUE)
