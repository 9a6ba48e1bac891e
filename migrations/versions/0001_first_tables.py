"""The first tables.

Plain SQL, to be read with Postgres' manual; skypanel/store/tables says the reasons, and a test
keeps the two alike. Constraints without a name take the one that Postgres gives them.
"""

from alembic import op

revision = "0001"
down_revision = None

PEOPLE = """
CREATE TABLE paas_organizations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    billed boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE paas_accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND position('@' IN email) > 1),
    is_admin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE paas_memberships (
    organization_id uuid REFERENCES paas_organizations ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE CASCADE,
    role smallint NOT NULL CHECK (role BETWEEN 1 AND 4),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, account_id)
);
CREATE INDEX paas_memberships_account_id_idx ON paas_memberships (account_id);

CREATE TABLE paas_ssh_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    fingerprint text NOT NULL UNIQUE,
    public_key text NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz
);
CREATE INDEX paas_ssh_keys_account_id_idx ON paas_ssh_keys (account_id);

CREATE TABLE paas_tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    digest text NOT NULL UNIQUE CHECK (digest ~ '^[0-9a-f]{64}$'),
    description text NOT NULL,
    scope text NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz
);
CREATE INDEX paas_tokens_account_id_idx ON paas_tokens (account_id);

CREATE TABLE paas_login_links (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_login_links_account_id_idx ON paas_login_links (account_id);

CREATE TABLE paas_sessions (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_sessions_account_id_idx ON paas_sessions (account_id);
"""

APPS = """
CREATE TABLE paas_plans (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE paas_plan_versions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    plan_id uuid NOT NULL REFERENCES paas_plans ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    cpu_cores double precision NOT NULL,
    memory_bytes bigint NOT NULL,
    max_replicas integer NOT NULL,
    hourly_price numeric(12, 4) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (plan_id, version),
    CONSTRAINT paas_plan_versions_bounds_check
        CHECK (cpu_cores > 0 AND memory_bytes > 0 AND max_replicas > 0 AND hourly_price >= 0)
);

CREATE TABLE paas_applications (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z]([a-z0-9-]*[a-z0-9])?$' AND length(name) <= 30),
    organization_id uuid NOT NULL REFERENCES paas_organizations ON DELETE RESTRICT,
    plan_version_id uuid NOT NULL REFERENCES paas_plan_versions ON DELETE RESTRICT,
    deploy_branch text,
    current_release_id uuid,
    generation integer NOT NULL DEFAULT 1 CHECK (generation > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_applications_organization_id_idx ON paas_applications (organization_id);
CREATE INDEX paas_applications_plan_version_id_idx ON paas_applications (plan_version_id);
CREATE INDEX paas_applications_current_release_id_idx ON paas_applications (current_release_id);

CREATE TABLE paas_formations (
    app_id uuid REFERENCES paas_applications ON DELETE CASCADE,
    process_type text CHECK (process_type ~ '^[A-Za-z0-9_-]+$'),
    quantity integer NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (app_id, process_type)
);

CREATE TABLE paas_config_versions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (app_id, number)
);
CREATE INDEX paas_config_versions_account_id_idx ON paas_config_versions (account_id);

CREATE TABLE paas_config_vars (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    config_version_id uuid NOT NULL REFERENCES paas_config_versions ON DELETE CASCADE,
    key text NOT NULL CHECK (key ~ '^[A-Z0-9_]+$'),
    secret bytea NOT NULL,
    UNIQUE (config_version_id, key)
);

CREATE TABLE paas_routes (
    app_id uuid PRIMARY KEY REFERENCES paas_applications ON DELETE CASCADE,
    hosts text[] NOT NULL,
    endpoints text[] NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

DEPLOYS = """
CREATE TABLE paas_slugs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    process_types json NOT NULL,
    buildpacks text[] NOT NULL,
    stack text NOT NULL,
    commit text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX paas_slugs_app_id_idx ON paas_slugs (app_id);
CREATE INDEX paas_slugs_digest_idx ON paas_slugs (digest);

CREATE TABLE paas_builds (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    slug_id uuid REFERENCES paas_slugs ON DELETE SET NULL,
    source_kind text NOT NULL,
    source_digest text NOT NULL CHECK (source_digest ~ '^[0-9a-f]{64}$'),
    source_commit text,
    state text NOT NULL CHECK (state IN ('pending', 'building', 'succeeded', 'failed')),
    error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempt integer NOT NULL DEFAULT 0,
    worker text,
    lease_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT paas_builds_lease_check CHECK (state <> 'building' OR lease_until IS NOT NULL)
);
CREATE INDEX paas_builds_account_id_idx ON paas_builds (account_id);
CREATE INDEX paas_builds_slug_id_idx ON paas_builds (slug_id);
CREATE INDEX paas_builds_app_id_created_at_idx ON paas_builds (app_id, created_at);
CREATE INDEX paas_builds_app_id_source_digest_idx ON paas_builds (app_id, source_digest);
CREATE UNIQUE INDEX paas_builds_open_key ON paas_builds (app_id) WHERE state IN ('pending', 'building');
CREATE INDEX paas_builds_pending_idx ON paas_builds (created_at) WHERE state = 'pending';
CREATE INDEX paas_builds_building_idx ON paas_builds (lease_until) WHERE state = 'building';

CREATE TABLE paas_releases (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    slug_id uuid REFERENCES paas_slugs ON DELETE NO ACTION,
    config_version_id uuid NOT NULL REFERENCES paas_config_versions ON DELETE NO ACTION,
    build_id uuid REFERENCES paas_builds ON DELETE SET NULL,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    state text NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed', 'superseded')),
    description text NOT NULL,
    error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (app_id, version)
);
CREATE INDEX paas_releases_slug_id_idx ON paas_releases (slug_id);
CREATE INDEX paas_releases_config_version_id_idx ON paas_releases (config_version_id);
CREATE INDEX paas_releases_build_id_idx ON paas_releases (build_id);
CREATE INDEX paas_releases_account_id_idx ON paas_releases (account_id);

ALTER TABLE paas_applications ADD CONSTRAINT paas_applications_current_release_id_fkey
    FOREIGN KEY (current_release_id) REFERENCES paas_releases ON DELETE SET NULL;

CREATE TABLE paas_rollouts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    release_id uuid NOT NULL REFERENCES paas_releases ON DELETE CASCADE,
    reason text NOT NULL CHECK (reason IN ('release', 'scale', 'restart', 'repair')),
    state text NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'superseded')),
    error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempt integer NOT NULL DEFAULT 0,
    worker text,
    lease_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT paas_rollouts_lease_check CHECK (state <> 'running' OR lease_until IS NOT NULL)
);
CREATE INDEX paas_rollouts_release_id_idx ON paas_rollouts (release_id);
CREATE INDEX paas_rollouts_app_id_number_idx ON paas_rollouts (app_id, number);
CREATE INDEX paas_rollouts_pending_idx ON paas_rollouts (app_id, number) WHERE state = 'pending';
CREATE UNIQUE INDEX paas_rollouts_running_key ON paas_rollouts (app_id) WHERE state = 'running';
"""

PANEL = """
CREATE TABLE paas_settings (
    key text PRIMARY KEY,
    value jsonb,
    secret bytea,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_by uuid REFERENCES paas_accounts ON DELETE SET NULL,
    CONSTRAINT paas_settings_value_check CHECK (num_nonnulls(value, secret) = 1)
);
CREATE INDEX paas_settings_updated_by_idx ON paas_settings (updated_by);

CREATE TABLE paas_audit_log (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    action text NOT NULL,
    account_id uuid,
    email text,
    organization_id uuid,
    app_id uuid,
    app_name text,
    details jsonb NOT NULL,
    origin text
);
CREATE INDEX paas_audit_log_account_id_idx ON paas_audit_log (account_id);
CREATE INDEX paas_audit_log_organization_id_idx ON paas_audit_log (organization_id);
CREATE INDEX paas_audit_log_app_id_idx ON paas_audit_log (app_id);
"""


def upgrade() -> None:
    """Expand the schema."""
    for part in (PEOPLE, APPS, DEPLOYS, PANEL):
        op.execute(part)
