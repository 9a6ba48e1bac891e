"""Which config vars each version set."""

from alembic import op

revision = "0026"
down_revision = "0025"

CHANGED = """
ALTER TABLE paas_config_vars ADD COLUMN changed BOOLEAN NOT NULL DEFAULT true;
COMMENT ON COLUMN paas_config_vars.changed IS 'Whether this version set the value, rather than the version before it.';
UPDATE paas_config_vars AS later SET changed = false
FROM paas_config_versions AS version
JOIN paas_config_versions AS previous ON previous.app_id = version.app_id AND previous.number = version.number - 1
JOIN paas_config_vars AS earlier ON earlier.config_version_id = previous.id
WHERE later.config_version_id = version.id AND earlier.key = later.key AND earlier.secret = later.secret;
CREATE INDEX paas_config_vars_changed_idx ON paas_config_vars (config_version_id, key) WHERE changed;
"""


def upgrade() -> None:
    """Mark what differs from the version before. After a rotation of keys that is unknown, so all counts as set again."""
    op.execute(CHANGED)
