-- The schema as it is after all migrations, for reading. `make schema` writes this file from a migrated database, and a test
-- compares the two: nobody edits it. What changes the schema is a migration.


-- ---------------------------------------------------------------------------------------------------------------------
-- Who signs in, and by what.

-- Somebody who signs in, by an address in lower case.
CREATE TABLE paas_accounts (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND position('@' IN email) > 1),
    is_admin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    password_hash text,
    -- The last sign-in; without one, the account is still an invitation.
    signed_in_at timestamptz,
    -- Since when the account can do nothing; its sessions ended then.
    disabled_at timestamptz,
    -- Kinds of mail that the account does not want.
    muted text[] NOT NULL DEFAULT '{}'
);

-- A public key by which an account pushes.
CREATE TABLE paas_ssh_keys (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    fingerprint text NOT NULL UNIQUE,
    public_key text NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz
);

CREATE INDEX paas_ssh_keys_account_id_idx ON paas_ssh_keys (account_id);

-- An API token of an account: its digest, never itself.
CREATE TABLE paas_tokens (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    digest text NOT NULL UNIQUE CHECK (digest ~ '^[0-9a-f]{64}$'),
    description text NOT NULL,
    scope text NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz,
    -- How much of its rate is used up: a virtual schedule, as in ITU-T I.371's generic cell rate algorithm.
    busy_until timestamptz
);

CREATE INDEX paas_tokens_account_id_idx ON paas_tokens (account_id);

-- A link that signs an account in once, until it expires.
CREATE TABLE paas_login_links (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_login_links_account_id_idx ON paas_login_links (account_id);

-- A link that sets the password of an account once, until it expires.
CREATE TABLE paas_reset_links (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_reset_links_account_id_idx ON paas_reset_links (account_id);

-- An address that an account gets once its owner confirms it, until it expires.
CREATE TABLE paas_address_changes (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    email text NOT NULL
);

CREATE INDEX paas_address_changes_account_id_idx ON paas_address_changes (account_id);

-- A browser that is signed in, until it expires.
CREATE TABLE paas_sessions (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    browser text,
    address text,
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_sessions_account_id_idx ON paas_sessions (account_id);

-- An address, or a customer's IPv6 network, from which an account signed in.
CREATE TABLE paas_known_addresses (
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    address text NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, address)
);

-- A try to sign in that failed, or has not ended yet. Of what was typed in, only the digest is kept.
CREATE TABLE paas_sign_in_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email_digest text NOT NULL CHECK (email_digest ~ '^[0-9a-f]{64}$'),
    address text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_sign_in_attempts_address_at_idx ON paas_sign_in_attempts (address, at);
CREATE INDEX paas_sign_in_attempts_at_idx ON paas_sign_in_attempts (at);
CREATE INDEX paas_sign_in_attempts_email_digest_at_idx ON paas_sign_in_attempts (email_digest, at);


-- ---------------------------------------------------------------------------------------------------------------------
-- Second factors of sign-in, and passkeys.

-- An encrypted secret by which an app makes codes; sign-in asks for them once it is confirmed.
CREATE TABLE paas_totp_secrets (
    account_id uuid PRIMARY KEY REFERENCES paas_accounts ON DELETE CASCADE,
    secret bytea NOT NULL,
    -- Codes until this time step are used up.
    last_step bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    confirmed_at timestamptz
);

-- A code in place of an app's, which works once: its digest, never itself.
CREATE TABLE paas_recovery_codes (
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (account_id, digest)
);

-- A sign-in by password or link that waits for its second factor, until it expires.
CREATE TABLE paas_pending_sign_ins (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_pending_sign_ins_account_id_idx ON paas_pending_sign_ins (account_id);

-- A passkey by which an account signs in.
CREATE TABLE paas_passkeys (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    credential bytea NOT NULL UNIQUE,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz
);

CREATE INDEX paas_passkeys_account_id_idx ON paas_passkeys (account_id);

-- A challenge that a passkey has answered, so that no answer counts twice.
CREATE TABLE paas_used_challenges (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    expires_at timestamptz NOT NULL
);

CREATE INDEX paas_used_challenges_expires_at_idx ON paas_used_challenges (expires_at);


-- ---------------------------------------------------------------------------------------------------------------------
-- Forms of the dashboard that were sent.

-- A form that was sent: the digest of its idempotency key, and where the answer led, so that the same form has no
-- effect twice.
CREATE TABLE paas_submissions (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    location text,
    message text
);

CREATE INDEX paas_submissions_created_at_idx ON paas_submissions (created_at);


-- ---------------------------------------------------------------------------------------------------------------------
-- Who owns apps, and who acts for them.

-- Who owns apps, and pays for them.
CREATE TABLE paas_organizations (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    name text NOT NULL,
    -- Whether hours are charged to its wallet where the panel charges any.
    billed boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Its wallet is empty: nothing of it runs, and no usage is recorded.
    unpaid boolean NOT NULL DEFAULT false,
    -- Until when its usage is in paas_resource_usage, and charged for.
    settled_until timestamptz NOT NULL DEFAULT date_trunc('hour', now(), 'UTC'),
    -- An administrator had its apps stop: so it stays, whatever its wallet has.
    held boolean NOT NULL DEFAULT false,
    -- Its owners were told that its wallet is low; false once it is not.
    warned boolean NOT NULL DEFAULT false
);

CREATE UNIQUE INDEX paas_organizations_lower_name_key ON paas_organizations (lower(name));
CREATE INDEX paas_organizations_settled_until_idx ON paas_organizations (settled_until);

-- What an account may do in an organization, as a viewer (1), developer (2), admin (3) or owner (4).
CREATE TABLE paas_memberships (
    organization_id uuid NOT NULL REFERENCES paas_organizations ON DELETE CASCADE,
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    role smallint NOT NULL CHECK (role BETWEEN 1 AND 4),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, account_id)
);

CREATE INDEX paas_memberships_account_id_idx ON paas_memberships (account_id);


-- ---------------------------------------------------------------------------------------------------------------------
-- What a dyno may use, and what it costs.

-- A size of dynos. A retired one is not offered any more; apps stay on it.
CREATE TABLE paas_plans (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at timestamptz
);

CREATE UNIQUE INDEX paas_plans_lower_name_key ON paas_plans (lower(name));

-- What a plan grants each dyno, and what that costs an hour. It is never changed: apps keep the version that they hold.
CREATE TABLE paas_plan_versions (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    plan_id uuid NOT NULL REFERENCES paas_plans ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    cpu_cores double precision NOT NULL,
    memory_bytes bigint NOT NULL,
    max_replicas integer NOT NULL,
    hourly_price numeric(12,4) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (plan_id, version),
    CONSTRAINT paas_plan_versions_bounds_check CHECK (cpu_cores > 0 AND memory_bytes > 0 AND max_replicas > 0 AND hourly_price >= 0)
);


-- ---------------------------------------------------------------------------------------------------------------------
-- What users deploy, and whom they share it with.

-- An app.
CREATE TABLE paas_applications (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    -- Never used again: the user id that its dynos run as comes from it.
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z]([a-z0-9-]*[a-z0-9])?$' AND length(name) <= 30),
    organization_id uuid NOT NULL REFERENCES paas_organizations ON DELETE RESTRICT,
    plan_version_id uuid NOT NULL REFERENCES paas_plan_versions ON DELETE RESTRICT,
    deploy_branch text,
    current_release_id uuid,
    -- Grows with each restart.
    generation integer NOT NULL DEFAULT 1 CHECK (generation > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    maintenance boolean NOT NULL DEFAULT false,
    health_path text NOT NULL DEFAULT '/health',
    health_interval_s integer NOT NULL DEFAULT 30,
    buildpacks text[] NOT NULL DEFAULT '{}',
    repository_bytes bigint NOT NULL DEFAULT 0 CHECK (repository_bytes >= 0),
    -- NULL for the panel's setting.
    first_byte_timeout_s integer,
    -- NULL for the panel's setting.
    idle_timeout_s integer,
    -- NULL to redirect hosts with a certificate.
    https_redirect boolean,
    -- Whether the panel orders certificates for its domains.
    automatic_certificates boolean NOT NULL DEFAULT true,
    CONSTRAINT paas_applications_health_check CHECK (health_path LIKE '/%' AND health_interval_s > 0),
    CONSTRAINT paas_applications_timeouts_check CHECK (first_byte_timeout_s > 0 AND idle_timeout_s > 0)
);

CREATE INDEX paas_applications_current_release_id_idx ON paas_applications (current_release_id);
CREATE INDEX paas_applications_organization_id_idx ON paas_applications (organization_id);
CREATE INDEX paas_applications_plan_version_id_idx ON paas_applications (plan_version_id);

-- What an account may do with one app without being a member of its organization, as a viewer (1) or developer (2).
CREATE TABLE paas_collaborators (
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    role smallint NOT NULL CHECK (role BETWEEN 1 AND 2),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (app_id, account_id)
);

CREATE INDEX paas_collaborators_account_id_idx ON paas_collaborators (account_id);

-- An app that one account offered to another, and what the other answered.
CREATE TABLE paas_app_transfers (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    sender_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    recipient_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    state text NOT NULL CHECK (state IN ('pending', 'accepted', 'declined')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    answered_at timestamptz,
    CONSTRAINT paas_app_transfers_answer_check CHECK ((state = 'pending') = (answered_at IS NULL))
);

CREATE INDEX paas_app_transfers_app_id_idx ON paas_app_transfers (app_id);
CREATE UNIQUE INDEX paas_app_transfers_pending_key ON paas_app_transfers (app_id) WHERE state = 'pending';
CREATE INDEX paas_app_transfers_recipient_id_idx ON paas_app_transfers (recipient_id);
CREATE INDEX paas_app_transfers_sender_id_idx ON paas_app_transfers (sender_id);

-- How many dynos of a process type an app is to run.
CREATE TABLE paas_formations (
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    process_type text NOT NULL CHECK (process_type ~ '^[A-Za-z0-9_-]+$'),
    quantity integer NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (app_id, process_type)
);

-- The hostnames of an app, and where they lead.
CREATE TABLE paas_routes (
    app_id uuid PRIMARY KEY REFERENCES paas_applications ON DELETE CASCADE,
    hosts text[] NOT NULL,
    endpoints text[] NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_routes_led_idx ON paas_routes (app_id) WHERE cardinality(endpoints) > 0;


-- ---------------------------------------------------------------------------------------------------------------------
-- Names of their own that apps claim.

-- A name of its own that an app claims. Apps may claim the same one; only one of them has proved it.
CREATE TABLE paas_domains (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    name text NOT NULL CHECK (name ~ '^([*][.])?([a-z0-9-]+[.])+[a-z0-9-]+$' AND length(name) <= 253),
    -- What the TXT record of its owner has to say. It is public.
    token text NOT NULL,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    verified_at timestamptz,
    -- Since when a verified domain has no proof any more.
    lost_at timestamptz,
    warned_at timestamptz,
    checked_at timestamptz,
    -- NULL if it is checked on demand only.
    next_check_at timestamptz,
    -- When somebody last asked for checks: they become rarer from then on.
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    proof_problem text,
    leads_here boolean,
    -- The addresses or the name that DNS gave at the last check.
    leads_to text[] NOT NULL DEFAULT '{}',
    address_problem text,
    -- Why the panel cannot prove a wildcard to a CA.
    delegation_problem text,
    UNIQUE (app_id, name),
    CONSTRAINT paas_domains_loss_check CHECK (verified_at IS NOT NULL OR lost_at IS NULL AND warned_at IS NULL)
);

CREATE INDEX paas_domains_account_id_idx ON paas_domains (account_id);
CREATE INDEX paas_domains_next_check_at_idx ON paas_domains (next_check_at);
CREATE UNIQUE INDEX paas_domains_verified_key ON paas_domains (name) WHERE verified_at IS NOT NULL;


-- ---------------------------------------------------------------------------------------------------------------------
-- Certificates, orders for them, and accounts at certificate authorities.

-- A certificate with its chain (PEM). One by ACME is for one name, and its renewal replaces it.
CREATE TABLE paas_certificates (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    app_id uuid REFERENCES paas_applications ON DELETE CASCADE,
    source text NOT NULL CHECK (source IN ('acme', 'uploaded')),
    names text[] NOT NULL CHECK (cardinality(names) > 0),
    chain text NOT NULL,
    -- Its private key, encrypted.
    secret bytea NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    issuer text NOT NULL,
    serial text NOT NULL,
    -- Of the CA that issued it by ACME.
    directory text,
    renew_at timestamptz,
    -- When to ask the CA again when to renew it.
    check_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT paas_certificates_directory_check CHECK ((source = 'acme') = (directory IS NOT NULL))
);

CREATE UNIQUE INDEX paas_certificates_acme_key ON paas_certificates (names) WHERE source = 'acme';
CREATE INDEX paas_certificates_app_id_idx ON paas_certificates (app_id);
CREATE INDEX paas_certificates_check_at_idx ON paas_certificates (check_at);
CREATE INDEX paas_certificates_names_idx ON paas_certificates USING gin (names);

-- The panel's account at a certificate authority.
CREATE TABLE paas_acme_accounts (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    directory text NOT NULL,
    eab_kid text NOT NULL DEFAULT '',
    -- Its private key, encrypted.
    secret bytea NOT NULL,
    -- NULL until the CA knows it.
    url text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (directory, eab_kid)
);

-- An order for the certificate of one name. Each step is stored before the CA hears of the next.
CREATE TABLE paas_acme_orders (
    name text PRIMARY KEY,
    app_id uuid REFERENCES paas_applications ON DELETE CASCADE,
    step text NOT NULL DEFAULT 'waiting' CHECK (step IN ('waiting', 'ordered', 'published', 'answered', 'finalized')),
    -- The private key of the certificate, encrypted.
    secret bytea NOT NULL,
    account_id uuid REFERENCES paas_acme_accounts ON DELETE CASCADE,
    url text NOT NULL DEFAULT '',
    finalize_url text NOT NULL DEFAULT '',
    challenge_url text NOT NULL DEFAULT '',
    token text NOT NULL DEFAULT '',
    -- What the CA has to find. It is public.
    proof text NOT NULL DEFAULT '',
    started_at timestamptz,
    failures integer NOT NULL DEFAULT 0,
    -- Why the last attempt failed.
    problem text NOT NULL DEFAULT '',
    next_attempt_at timestamptz NOT NULL,
    -- Fencing token.
    attempt integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_acme_orders_account_id_idx ON paas_acme_orders (account_id);
CREATE INDEX paas_acme_orders_app_id_idx ON paas_acme_orders (app_id);
CREATE INDEX paas_acme_orders_next_attempt_at_idx ON paas_acme_orders (next_attempt_at);
CREATE INDEX paas_acme_orders_token_idx ON paas_acme_orders (token);

-- A certificate that was ordered for an organization, within the last hours.
CREATE TABLE paas_acme_requests (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES paas_organizations ON DELETE CASCADE,
    requested_at timestamptz NOT NULL
);

CREATE INDEX paas_acme_requests_organization_id_requested_at_idx ON paas_acme_requests (organization_id, requested_at);
CREATE INDEX paas_acme_requests_requested_at_idx ON paas_acme_requests (requested_at);

-- Failures in a row of orders for a name, so that one that is removed and added again begins with them.
CREATE TABLE paas_acme_failures (
    name text PRIMARY KEY,
    failures integer NOT NULL,
    problem text NOT NULL,
    next_attempt_at timestamptz NOT NULL
);

CREATE INDEX paas_acme_failures_next_attempt_at_idx ON paas_acme_failures (next_attempt_at);

-- A name whose certificate is to be looked at: something changed, or it is due. Triggers write it.
CREATE TABLE paas_certificate_looks (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Without a dot, the name of an app.
    name text NOT NULL,
    due_at timestamptz NOT NULL DEFAULT '-infinity'::timestamp with time zone
);

CREATE INDEX paas_certificate_looks_due_at_idx ON paas_certificate_looks (due_at);
CREATE INDEX paas_certificate_looks_name_idx ON paas_certificate_looks (name);

-- One row: when all names were looked at.
CREATE TABLE paas_certificate_full_looks (
    -- The CA, and the panel's own names.
    wanted text PRIMARY KEY,
    looked_at timestamptz NOT NULL
);

-- A TXT record that the panel has published, or is about to. The row goes once the record has.
CREATE TABLE paas_dns_records (
    name text NOT NULL,
    value text NOT NULL,
    -- The order of a certificate that needs it; empty for a test.
    order_name text NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    -- When it may be removed.
    next_attempt_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, value)
);

CREATE INDEX paas_dns_records_next_attempt_at_idx ON paas_dns_records (next_attempt_at);


-- ---------------------------------------------------------------------------------------------------------------------
-- What apps are told by their environment.

-- The config vars of an app, as one change left them.
CREATE TABLE paas_config_versions (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (app_id, number)
);

CREATE INDEX paas_config_versions_account_id_idx ON paas_config_versions (account_id);

-- A config var of one version: its value is encrypted.
CREATE TABLE paas_config_vars (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    config_version_id uuid NOT NULL REFERENCES paas_config_versions ON DELETE CASCADE,
    key text NOT NULL CHECK (key ~ '^[A-Z0-9_]+$'),
    secret bytea NOT NULL,
    -- Whether this version set the value, rather than the version before it.
    changed boolean NOT NULL DEFAULT true,
    UNIQUE (config_version_id, key)
);

CREATE INDEX paas_config_vars_changed_idx ON paas_config_vars (config_version_id, key) WHERE changed;


-- ---------------------------------------------------------------------------------------------------------------------
-- Where what is built comes from, where that is not a push.

-- An archive that somebody may upload once, and what came of it: the source, and the digest of the bytes as they were
-- sent.
CREATE TABLE paas_uploads (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES paas_accounts ON DELETE CASCADE,
    put_digest text NOT NULL UNIQUE CHECK (put_digest ~ '^[0-9a-f]{64}$'),
    source_digest text CHECK (source_digest ~ '^[0-9a-f]{64}$'),
    checksum text CHECK (checksum ~ '^[0-9a-f]{64}$'),
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT paas_uploads_source_check CHECK (num_nonnulls(source_digest, checksum) IN (0, 2))
);

CREATE INDEX paas_uploads_account_id_idx ON paas_uploads (account_id);

-- The git URL that an app is deployed from where that is not a push, and what its SSH server showed when it was chosen.
CREATE TABLE paas_remotes (
    app_id uuid PRIMARY KEY REFERENCES paas_applications ON DELETE CASCADE,
    url text NOT NULL,
    branch text NOT NULL,
    host_key text,
    chosen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL
);

CREATE INDEX paas_remotes_account_id_idx ON paas_remotes (account_id);

-- The key pair by which an app reads repositories elsewhere: what it signs with is encrypted.
CREATE TABLE paas_deploy_keys (
    app_id uuid PRIMARY KEY REFERENCES paas_applications ON DELETE CASCADE,
    public_key text NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);


-- ---------------------------------------------------------------------------------------------------------------------
-- Builds, and the slugs they make.

-- What a build made of a source: an archive of that digest in object storage.
CREATE TABLE paas_slugs (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    -- Commands by process type. Not JSONB, which would lose the Procfile's order.
    process_types json NOT NULL,
    buildpacks text[] NOT NULL,
    stack text NOT NULL,
    commit text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_slugs_app_id_idx ON paas_slugs (app_id);
CREATE INDEX paas_slugs_digest_idx ON paas_slugs (digest);

-- A source that is, was or will be made into a slug. Workers claim it under a lease.
CREATE TABLE paas_builds (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    slug_id uuid REFERENCES paas_slugs ON DELETE SET NULL,
    source_kind text NOT NULL CHECK (source_kind IN ('git', 'archive', 'remote')),
    source_digest text NOT NULL CHECK (source_digest ~ '^[0-9a-f]{64}$'),
    source_commit text,
    state text NOT NULL CHECK (state IN ('pending', 'building', 'succeeded', 'failed')),
    error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Grows with each claim: a worker that lost its lease is told apart by it.
    attempt integer NOT NULL DEFAULT 0,
    worker text,
    lease_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    source_branch text,
    source_subject text,
    source_author text,
    cancelled_at timestamptz,
    CONSTRAINT paas_builds_lease_check CHECK (state <> 'building' OR lease_until IS NOT NULL)
);

CREATE INDEX paas_builds_account_id_idx ON paas_builds (account_id);
CREATE INDEX paas_builds_app_id_created_at_idx ON paas_builds (app_id, created_at);
CREATE INDEX paas_builds_app_id_source_digest_idx ON paas_builds (app_id, source_digest);
CREATE INDEX paas_builds_building_idx ON paas_builds (lease_until) WHERE state = 'building';
CREATE INDEX paas_builds_failed_idx ON paas_builds (app_id, created_at) WHERE state = 'failed';
CREATE UNIQUE INDEX paas_builds_open_key ON paas_builds (app_id) WHERE state IN ('pending', 'building');
CREATE INDEX paas_builds_pending_idx ON paas_builds (created_at) WHERE state = 'pending';
CREATE INDEX paas_builds_slug_id_idx ON paas_builds (slug_id);


-- ---------------------------------------------------------------------------------------------------------------------
-- Releases, and the rollouts that make them live.

-- A slug with a config version, numbered within its app; of one without a slug nothing runs.
CREATE TABLE paas_releases (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    slug_id uuid REFERENCES paas_slugs,
    config_version_id uuid NOT NULL REFERENCES paas_config_versions,
    build_id uuid REFERENCES paas_builds ON DELETE SET NULL,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    state text NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed', 'superseded')),
    description text NOT NULL,
    error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (app_id, version)
);

ALTER TABLE paas_applications ADD FOREIGN KEY (current_release_id) REFERENCES paas_releases ON DELETE SET NULL;

CREATE INDEX paas_releases_account_id_idx ON paas_releases (account_id);
CREATE INDEX paas_releases_app_id_created_at_idx ON paas_releases (app_id, created_at);
CREATE INDEX paas_releases_build_id_idx ON paas_releases (build_id);
CREATE INDEX paas_releases_config_version_id_idx ON paas_releases (config_version_id);
CREATE INDEX paas_releases_slug_id_idx ON paas_releases (slug_id);

-- A release that is, was or will be made live. Workers claim it under a lease, one at a time of an app.
CREATE TABLE paas_rollouts (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    release_id uuid NOT NULL REFERENCES paas_releases ON DELETE CASCADE,
    reason text NOT NULL CHECK (reason IN ('release', 'scale', 'restart', 'repair')),
    state text NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'superseded')),
    error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Grows with each claim: a worker that lost its lease is told apart by it.
    attempt integer NOT NULL DEFAULT 0,
    worker text,
    lease_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    -- When somebody asked to cancel it, for the reason in error. Its worker then ends it.
    cancelled_at timestamptz,
    CONSTRAINT paas_rollouts_lease_check CHECK (state <> 'running' OR lease_until IS NOT NULL)
);

CREATE INDEX paas_rollouts_app_id_number_idx ON paas_rollouts (app_id, number);
CREATE INDEX paas_rollouts_pending_idx ON paas_rollouts (app_id, number) WHERE state = 'pending';
CREATE INDEX paas_rollouts_release_id_idx ON paas_rollouts (release_id);
CREATE UNIQUE INDEX paas_rollouts_running_key ON paas_rollouts (app_id) WHERE state = 'running';


-- ---------------------------------------------------------------------------------------------------------------------
-- What administrators chose for the whole panel.

-- What an administrator chose, as JSON or encrypted; a setting without a row has its default.
CREATE TABLE paas_settings (
    key text PRIMARY KEY,
    value jsonb,
    secret bytea,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_by uuid REFERENCES paas_accounts ON DELETE SET NULL,
    CONSTRAINT paas_settings_value_check CHECK (num_nonnulls(value, secret) = 1)
);

CREATE INDEX paas_settings_updated_by_idx ON paas_settings (updated_by);


-- ---------------------------------------------------------------------------------------------------------------------
-- What was done, by whom, to what.

-- Something that was done. No foreign keys: it stays on record when those it was done to are gone.
CREATE TABLE paas_audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
CREATE INDEX paas_audit_log_app_id_id_idx ON paas_audit_log (app_id, id);
CREATE INDEX paas_audit_log_app_name_id_idx ON paas_audit_log (app_name, id);
CREATE INDEX paas_audit_log_at_idx ON paas_audit_log (at);
CREATE INDEX paas_audit_log_email_id_idx ON paas_audit_log (email, id);
CREATE INDEX paas_audit_log_organization_id_id_idx ON paas_audit_log (organization_id, id);


-- ---------------------------------------------------------------------------------------------------------------------
-- Machines of a Swarm, and what they are told to stop.

-- A machine of the Swarm: how it is reached, what is wanted of it, and what its agent said last.
CREATE TABLE paas_nodes (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    name text NOT NULL UNIQUE,
    address text NOT NULL,
    port integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    "user" text NOT NULL,
    host_key text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('key', 'password')),
    secret bytea NOT NULL,
    token_digest text UNIQUE CHECK (token_digest ~ '^[0-9a-f]{64}$'),
    state text NOT NULL CHECK (state IN ('pending', 'provisioning', 'joining', 'active', 'draining', 'drained', 'inactive', 'removing')),
    wanted text NOT NULL CHECK (wanted IN ('active', 'drained', 'removed')),
    error text,
    -- The Swarm's name for it.
    member text UNIQUE,
    joined_at timestamptz,
    heartbeat_at timestamptz,
    report jsonb,
    staged text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Grows with each claim: a worker that lost its lease is told apart by it.
    attempt integer NOT NULL DEFAULT 0,
    worker text,
    lease_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz
);

-- The container of a dyno that a node's agent is to stop.
CREATE TABLE paas_stop_orders (
    node_id uuid NOT NULL REFERENCES paas_nodes ON DELETE CASCADE,
    container text NOT NULL CHECK (container ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (node_id, container)
);

CREATE INDEX paas_stop_orders_created_at_idx ON paas_stop_orders (created_at);


-- ---------------------------------------------------------------------------------------------------------------------
-- What is wrong, and who is told of it.

-- A problem that people were told. What it is about may be gone.
CREATE TABLE paas_alerts (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('deploy_failed', 'crash_loop', 'memory_full', 'certificate_expiring', 'domain_lost', 'wallet_low', 'node_inactive', 'disk_full', 'queue_stuck', 'panel_certificate_expiring')),
    subject text NOT NULL,
    message text NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at timestamptz,
    -- Of the problem of an organization. One of an app belongs to whom the app belongs to.
    organization_id uuid REFERENCES paas_organizations ON DELETE CASCADE,
    app_id uuid REFERENCES paas_applications ON DELETE CASCADE,
    -- When it was found last.
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_alerts_app_id_idx ON paas_alerts (app_id);
CREATE UNIQUE INDEX paas_alerts_open_key ON paas_alerts (kind, subject) WHERE resolved_at IS NULL;
CREATE INDEX paas_alerts_organization_id_idx ON paas_alerts (organization_id);
CREATE INDEX paas_alerts_raised_at_idx ON paas_alerts (raised_at);

-- Until when nothing is sent of a rule and a subject.
CREATE TABLE paas_alert_silences (
    kind text NOT NULL,
    subject text NOT NULL,
    until timestamptz NOT NULL,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    PRIMARY KEY (kind, subject)
);

CREATE INDEX paas_alert_silences_account_id_idx ON paas_alert_silences (account_id);

-- Where messages about alerts go: of an organization, else of the administrators.
CREATE TABLE paas_alert_destinations (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    organization_id uuid REFERENCES paas_organizations ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    name text NOT NULL,
    service text NOT NULL,
    -- An address for mail or a URL of Apprise, encrypted.
    url bytea NOT NULL,
    -- Rules of which it gets nothing.
    muted text[] NOT NULL DEFAULT '{}',
    -- Grows with each claim: a worker that lost its lease is told apart by it.
    attempt integer NOT NULL DEFAULT 0,
    -- The lease of the worker that sends to it.
    busy_until timestamptz,
    -- When it may be tried again after a failure.
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    failures integer NOT NULL DEFAULT 0,
    error text,
    -- When it got its last messages, oldest first: within an hour there may be so many.
    sent timestamptz[] NOT NULL DEFAULT '{}'::timestamp with time zone[],
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_alert_destinations_account_id_idx ON paas_alert_destinations (account_id);
CREATE INDEX paas_alert_destinations_organization_id_idx ON paas_alert_destinations (organization_id);

-- What a destination is told of an alert, once. It waits until it was sent.
CREATE TABLE paas_alert_messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id uuid NOT NULL REFERENCES paas_alerts ON DELETE CASCADE,
    destination_id uuid NOT NULL REFERENCES paas_alert_destinations ON DELETE CASCADE,
    event text NOT NULL CHECK (event IN ('opened', 'resolved')),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (alert_id, destination_id, event)
);

CREATE INDEX paas_alert_messages_destination_id_idx ON paas_alert_messages (destination_id);
CREATE INDEX paas_alert_messages_waiting_idx ON paas_alert_messages (destination_id) WHERE sent_at IS NULL;


-- ---------------------------------------------------------------------------------------------------------------------
-- What apps used, and what organizations paid.

-- A time through which an app was to run so many dynos at one price; without an end, it still is. Triggers write it.
CREATE TABLE paas_usage_spans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    app_id uuid NOT NULL,
    app_name text NOT NULL,
    process_type text NOT NULL,
    plan_version_id uuid NOT NULL,
    hourly_price numeric(12,4) NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    since timestamptz NOT NULL,
    until timestamptz,
    CONSTRAINT paas_usage_spans_until_check CHECK (until >= since)
);

CREATE INDEX paas_usage_spans_app_id_until_idx ON paas_usage_spans (app_id, until);
CREATE UNIQUE INDEX paas_usage_spans_open_key ON paas_usage_spans (app_id, process_type) WHERE until IS NULL;
CREATE INDEX paas_usage_spans_organization_id_until_idx ON paas_usage_spans (organization_id, until);

-- What an app used in an hour that is settled. A trigger lets nobody change or remove it.
CREATE TABLE paas_resource_usage (
    organization_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    app_id uuid NOT NULL,
    app_name text NOT NULL,
    dyno_seconds numeric(18,6) NOT NULL,
    cost numeric(18,6) NOT NULL,
    PRIMARY KEY (organization_id, hour, app_id),
    CONSTRAINT paas_resource_usage_bounds_check CHECK (dyno_seconds >= 0 AND cost >= 0)
);

CREATE INDEX paas_resource_usage_app_id_idx ON paas_resource_usage (app_id);

-- What an app used in the settled hours of a UTC day. A trigger adds up the hours.
CREATE TABLE paas_daily_usage (
    organization_id uuid NOT NULL,
    day date NOT NULL,
    app_id uuid NOT NULL,
    app_name text NOT NULL,
    dyno_seconds numeric(18,6) NOT NULL,
    cost numeric(18,6) NOT NULL,
    PRIMARY KEY (organization_id, day, app_id),
    CONSTRAINT paas_daily_usage_bounds_check CHECK (dyno_seconds >= 0 AND cost >= 0)
);

CREATE INDEX paas_daily_usage_app_id_idx ON paas_daily_usage (app_id);

-- What an app used in the settled hours of a UTC month. A trigger adds up the hours.
CREATE TABLE paas_monthly_usage (
    organization_id uuid NOT NULL,
    month date NOT NULL CHECK (EXTRACT(day FROM month) = 1),
    app_id uuid NOT NULL,
    app_name text NOT NULL,
    dyno_seconds numeric(18,6) NOT NULL,
    cost numeric(18,6) NOT NULL,
    PRIMARY KEY (organization_id, month, app_id),
    CONSTRAINT paas_monthly_usage_bounds_check CHECK (dyno_seconds >= 0 AND cost >= 0)
);

CREATE INDEX paas_monthly_usage_app_id_idx ON paas_monthly_usage (app_id);

-- What all apps of an organization used in the settled hours of a UTC day. A trigger adds up the hours.
CREATE TABLE paas_daily_totals (
    organization_id uuid NOT NULL,
    day date NOT NULL,
    dyno_seconds numeric(18,6) NOT NULL,
    cost numeric(18,6) NOT NULL,
    PRIMARY KEY (organization_id, day),
    CONSTRAINT paas_daily_totals_bounds_check CHECK (dyno_seconds >= 0 AND cost >= 0)
);

-- A line of a wallet: what it changed, and what was left then. A trigger lets nobody change or remove it.
CREATE TABLE paas_wallet_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind IN ('opening', 'credit', 'charge')),
    amount numeric(18,6) NOT NULL,
    balance numeric(18,6) NOT NULL,
    hour timestamptz,
    note text NOT NULL DEFAULT '',
    account_id uuid,
    email text,
    CONSTRAINT paas_wallet_entries_hour_check CHECK ((kind = 'charge') = (hour IS NOT NULL))
);

CREATE INDEX paas_wallet_entries_account_id_idx ON paas_wallet_entries (account_id);
CREATE UNIQUE INDEX paas_wallet_entries_charge_key ON paas_wallet_entries (organization_id, hour) WHERE kind = 'charge';
CREATE INDEX paas_wallet_entries_income_idx ON paas_wallet_entries (organization_id) WHERE kind <> 'charge';
CREATE UNIQUE INDEX paas_wallet_entries_opening_key ON paas_wallet_entries (organization_id) WHERE kind = 'opening';
CREATE INDEX paas_wallet_entries_organization_id_id_idx ON paas_wallet_entries (organization_id, id);


-- ---------------------------------------------------------------------------------------------------------------------
-- Mails that wait to be sent.

-- A mail that waits for a worker, encrypted.
CREATE TABLE paas_mails (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0
);

CREATE INDEX paas_mails_due_at_idx ON paas_mails (due_at);


-- ---------------------------------------------------------------------------------------------------------------------
-- Webhooks of apps, what happened to the apps, and what is sent of it.

-- A URL that gets what happens to an app, with the encrypted secret that signs it, and an authorization header.
CREATE TABLE paas_webhooks (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    url text NOT NULL CHECK (url LIKE 'https://%'),
    include text[] NOT NULL CHECK (cardinality(include) > 0),
    level text NOT NULL CHECK (level IN ('notify', 'sync')),
    secret bytea NOT NULL,
    "authorization" bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_webhooks_account_id_idx ON paas_webhooks (account_id);
CREATE INDEX paas_webhooks_app_id_idx ON paas_webhooks (app_id);

-- Something that happened to an app with a webhook for it, with columns of the row as it was then. Triggers write it.
CREATE TABLE paas_webhook_events (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    include text NOT NULL,
    action text NOT NULL CHECK (action IN ('create', 'update')),
    resource text NOT NULL,
    fields json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_webhook_events_account_id_idx ON paas_webhook_events (account_id);
CREATE INDEX paas_webhook_events_app_id_number_idx ON paas_webhook_events (app_id, number);
CREATE INDEX paas_webhook_events_created_at_idx ON paas_webhook_events (created_at);

-- An event for one webhook, which a worker sends.
CREATE TABLE paas_webhook_deliveries (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    webhook_id uuid NOT NULL REFERENCES paas_webhooks ON DELETE CASCADE,
    event_id uuid NOT NULL REFERENCES paas_webhook_events ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'retrying', 'succeeded', 'failed')),
    -- Grows with each claim: a worker that lost its lease is told apart by it.
    attempts integer NOT NULL DEFAULT 0,
    code integer,
    error text,
    attempted_at timestamptz,
    due_at timestamptz DEFAULT clock_timestamp(),
    -- The lease of the worker that sends it.
    busy_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT paas_webhook_deliveries_due_check CHECK ((status IN ('pending', 'retrying')) = (due_at IS NOT NULL))
);

CREATE INDEX paas_webhook_deliveries_due_at_idx ON paas_webhook_deliveries (due_at);
CREATE INDEX paas_webhook_deliveries_event_id_idx ON paas_webhook_deliveries (event_id);
CREATE INDEX paas_webhook_deliveries_webhook_id_idx ON paas_webhook_deliveries (webhook_id);


-- ---------------------------------------------------------------------------------------------------------------------
-- Log drains of apps.

-- A server that gets the log lines of an app. `shown` is its URL without secrets.
CREATE TABLE paas_log_drains (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    account_id uuid REFERENCES paas_accounts ON DELETE SET NULL,
    -- Encrypted, because it may contain a secret.
    url bytea NOT NULL,
    shown text NOT NULL,
    -- The time of the last line that was sent. Sending continues after it.
    sent_until timestamptz NOT NULL DEFAULT clock_timestamp(),
    dropped bigint NOT NULL DEFAULT 0,
    error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX paas_log_drains_account_id_idx ON paas_log_drains (account_id);
CREATE INDEX paas_log_drains_app_id_idx ON paas_log_drains (app_id);


-- ---------------------------------------------------------------------------------------------------------------------
-- What dynos use.

-- What a dyno used from a time on: value n of each array is that of n - 1 steps later, NULL where nothing was measured.
CREATE TABLE paas_metrics (
    app_id uuid NOT NULL REFERENCES paas_applications ON DELETE CASCADE,
    step_s integer NOT NULL,
    begins timestamptz NOT NULL,
    dyno text NOT NULL,
    -- Cores.
    cpu real[] NOT NULL,
    -- Bytes.
    memory real[] NOT NULL,
    -- Bytes.
    disk real[] NOT NULL,
    -- Bytes a second.
    received real[] NOT NULL,
    -- Bytes a second.
    sent real[] NOT NULL,
    -- Since the dyno was started first.
    restarts real[] NOT NULL,
    PRIMARY KEY (app_id, step_s, begins, dyno)
);

CREATE INDEX paas_metrics_step_s_begins_idx ON paas_metrics (step_s, begins);


-- ---------------------------------------------------------------------------------------------------------------------
-- What the database does by itself.

-- What an app is to run now, and at which price.
CREATE FUNCTION paas_wanted_dynos(app uuid)
    RETURNS TABLE(organization_id uuid, app_name text, process_type text, plan_version_id uuid, hourly_price numeric, quantity integer)
    LANGUAGE sql
    STABLE
AS $function$
    SELECT a.organization_id, a.name, f.process_type, v.id, v.hourly_price, f.quantity
    FROM paas_applications AS a
    JOIN paas_organizations AS o ON o.id = a.organization_id
    JOIN paas_plan_versions AS v ON v.id = a.plan_version_id
    JOIN paas_releases AS r ON r.id = a.current_release_id
    JOIN paas_slugs AS s ON s.id = r.slug_id
    JOIN paas_formations AS f ON f.app_id = a.id
    WHERE a.id = app AND NOT (o.unpaid OR o.held) AND f.quantity > 0 AND s.process_types::jsonb ? f.process_type
$function$;

-- Ends the spans of what an app is to run no more, and begins those of what it is to run anew.
CREATE FUNCTION paas_track_usage(app uuid)
    RETURNS void
    LANGUAGE plpgsql
AS $function$
DECLARE
    moment timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('usage', 0));
    PERFORM pg_advisory_xact_lock(hashtextextended('usage of ' || app, 0));
    -- The clock may be set back; what was used is not.
    SELECT greatest(
        clock_timestamp(),
        (SELECT max(until) FROM paas_usage_spans WHERE app_id = app),
        (SELECT max(since) FROM paas_usage_spans WHERE app_id = app AND until IS NULL)
    ) INTO moment;
    UPDATE paas_usage_spans AS open SET until = moment
    WHERE open.app_id = app AND open.until IS NULL AND NOT EXISTS (
        SELECT FROM paas_wanted_dynos(app) AS wanted
        WHERE wanted.process_type = open.process_type AND wanted.quantity = open.quantity
            AND wanted.organization_id = open.organization_id AND wanted.app_name = open.app_name
            AND wanted.plan_version_id = open.plan_version_id AND wanted.hourly_price = open.hourly_price
    );
    INSERT INTO paas_usage_spans (organization_id, app_id, app_name, process_type, plan_version_id, hourly_price, quantity, since)
    SELECT wanted.organization_id, app, wanted.app_name, wanted.process_type, wanted.plan_version_id, wanted.hourly_price,
        wanted.quantity, moment
    FROM paas_wanted_dynos(app) AS wanted
    WHERE NOT EXISTS (
        SELECT FROM paas_usage_spans AS open
        WHERE open.app_id = app AND open.until IS NULL AND open.process_type = wanted.process_type
    );
END $function$;

-- Tracks the app of a row that changes.
CREATE FUNCTION paas_track_app()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    PERFORM paas_track_usage(coalesce(NEW.id, OLD.id));
    RETURN NULL;
END $function$;

-- Tracks the app of a formation that changes.
CREATE FUNCTION paas_track_formation()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    PERFORM paas_track_usage(coalesce(NEW.app_id, OLD.app_id));
    RETURN NULL;
END $function$;

-- Tracks all apps of an organization that changes.
CREATE FUNCTION paas_track_organization()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    PERFORM paas_track_usage(id) FROM (SELECT id FROM paas_applications WHERE organization_id = NEW.id ORDER BY id) AS own;
    RETURN NULL;
END $function$;

-- Keeps lines from being changed.
CREATE FUNCTION paas_refuse_change()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'a line of ' || TG_TABLE_NAME || ' is never changed';
END $function$;

CREATE FUNCTION paas_add_up_usage()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    INSERT INTO paas_daily_usage AS known (organization_id, day, app_id, app_name, dyno_seconds, cost)
    SELECT organization_id, (hour AT TIME ZONE 'UTC')::date, app_id, (array_agg(app_name ORDER BY hour DESC))[1],
        sum(dyno_seconds), sum(cost)
    FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (organization_id, day, app_id) DO UPDATE
    SET app_name = excluded.app_name, dyno_seconds = known.dyno_seconds + excluded.dyno_seconds, cost = known.cost + excluded.cost;
    INSERT INTO paas_monthly_usage AS known (organization_id, month, app_id, app_name, dyno_seconds, cost)
    SELECT organization_id, date_trunc('month', hour AT TIME ZONE 'UTC')::date, app_id, (array_agg(app_name ORDER BY hour DESC))[1],
        sum(dyno_seconds), sum(cost)
    FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (organization_id, month, app_id) DO UPDATE
    SET app_name = excluded.app_name, dyno_seconds = known.dyno_seconds + excluded.dyno_seconds, cost = known.cost + excluded.cost;
    INSERT INTO paas_daily_totals AS known (organization_id, day, dyno_seconds, cost)
    SELECT organization_id, (hour AT TIME ZONE 'UTC')::date, sum(dyno_seconds), sum(cost)
    FROM added GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (organization_id, day) DO UPDATE
    SET dyno_seconds = known.dyno_seconds + excluded.dyno_seconds, cost = known.cost + excluded.cost;
    RETURN NULL;
END $function$;

CREATE FUNCTION paas_publish(app uuid, entity text, operation text, changed text, who uuid, columns json)
    RETURNS void
    LANGUAGE plpgsql
AS $function$
DECLARE
    event uuid;
BEGIN
    IF NOT EXISTS (SELECT FROM paas_webhooks WHERE app_id = app AND entity = ANY (include)) THEN
        RETURN;
    END IF;
    INSERT INTO paas_webhook_events (app_id, account_id, include, action, resource, fields)
    VALUES (app, who, entity, CASE operation WHEN 'INSERT' THEN 'create' ELSE 'update' END, changed, columns)
    RETURNING id INTO event;
    INSERT INTO paas_webhook_deliveries (webhook_id, event_id)
    SELECT id, event FROM paas_webhooks WHERE app_id = app AND entity = ANY (include);
END $function$;

CREATE FUNCTION paas_publish_build()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    -- In the API, a build that waits and one that runs are both pending.
    IF TG_OP = 'INSERT' OR NEW.state IN ('succeeded', 'failed') THEN
        PERFORM paas_publish(NEW.app_id, 'api:build', TG_OP, NEW.id::text, NEW.account_id, json_build_object(
            'state', NEW.state, 'slug_id', NEW.slug_id, 'source_commit', NEW.source_commit, 'created_at', NEW.created_at));
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION paas_publish_release()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP = 'INSERT' OR OLD.state <> NEW.state THEN
        PERFORM paas_publish(NEW.app_id, 'api:release', TG_OP, NEW.id::text, NEW.account_id, json_build_object(
            'state', NEW.state, 'slug_id', NEW.slug_id, 'version', NEW.version, 'description', NEW.description,
            'created_at', NEW.created_at));
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION paas_publish_formation()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP = 'INSERT' OR OLD.quantity <> NEW.quantity THEN
        PERFORM paas_publish(NEW.app_id, 'api:formation', TG_OP, NEW.process_type, NULL, json_build_object('quantity', NEW.quantity));
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION paas_look_at_domain()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO paas_certificate_looks (name) VALUES (OLD.name);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO paas_certificate_looks (name) VALUES (NEW.name);
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION paas_look_at_app()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO paas_certificate_looks (name) VALUES (OLD.name);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO paas_certificate_looks (name) VALUES (NEW.name);
        INSERT INTO paas_certificate_looks (name) SELECT name FROM paas_domains WHERE app_id = NEW.id;
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION paas_look_at_certificate()
    RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO paas_certificate_looks (name) SELECT unnest(OLD.names);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO paas_certificate_looks (name) SELECT unnest(NEW.names);
    END IF;
    RETURN NULL;
END $function$;

CREATE TRIGGER paas_look
    AFTER INSERT OR DELETE ON paas_applications
    FOR EACH ROW
    EXECUTE FUNCTION paas_look_at_app();

CREATE TRIGGER paas_look_again
    AFTER UPDATE ON paas_applications
    FOR EACH ROW WHEN (old.name IS DISTINCT FROM new.name OR old.organization_id IS DISTINCT FROM new.organization_id OR old.automatic_certificates IS DISTINCT FROM new.automatic_certificates)
    EXECUTE FUNCTION paas_look_at_app();

CREATE TRIGGER paas_track_usage
    AFTER INSERT OR DELETE OR UPDATE OF name, organization_id, plan_version_id, current_release_id ON paas_applications
    FOR EACH ROW
    EXECUTE FUNCTION paas_track_app();

CREATE TRIGGER paas_publish
    AFTER INSERT OR UPDATE OF state ON paas_builds
    FOR EACH ROW
    EXECUTE FUNCTION paas_publish_build();

CREATE TRIGGER paas_look
    AFTER INSERT OR DELETE ON paas_certificates
    FOR EACH ROW
    EXECUTE FUNCTION paas_look_at_certificate();

CREATE TRIGGER paas_look_again
    AFTER UPDATE ON paas_certificates
    FOR EACH ROW WHEN (old.names IS DISTINCT FROM new.names OR old.app_id IS DISTINCT FROM new.app_id OR old.directory IS DISTINCT FROM new.directory OR old.not_after IS DISTINCT FROM new.not_after OR old.renew_at IS DISTINCT FROM new.renew_at)
    EXECUTE FUNCTION paas_look_at_certificate();

CREATE TRIGGER paas_look
    AFTER INSERT OR DELETE ON paas_domains
    FOR EACH ROW
    EXECUTE FUNCTION paas_look_at_domain();

CREATE TRIGGER paas_look_again
    AFTER UPDATE ON paas_domains
    FOR EACH ROW WHEN (old.name IS DISTINCT FROM new.name OR old.app_id IS DISTINCT FROM new.app_id OR old.verified_at IS DISTINCT FROM new.verified_at OR old.leads_here IS DISTINCT FROM new.leads_here OR (old.delegation_problem IS NULL) IS DISTINCT FROM (new.delegation_problem IS NULL))
    EXECUTE FUNCTION paas_look_at_domain();

CREATE TRIGGER paas_publish
    AFTER INSERT OR UPDATE OF quantity ON paas_formations
    FOR EACH ROW
    EXECUTE FUNCTION paas_publish_formation();

CREATE TRIGGER paas_track_usage
    AFTER INSERT OR DELETE OR UPDATE ON paas_formations
    FOR EACH ROW
    EXECUTE FUNCTION paas_track_formation();

CREATE TRIGGER paas_track_usage
    AFTER UPDATE OF unpaid, held ON paas_organizations
    FOR EACH ROW WHEN ((old.unpaid OR old.held) <> (new.unpaid OR new.held))
    EXECUTE FUNCTION paas_track_organization();

CREATE TRIGGER paas_publish
    AFTER INSERT OR UPDATE OF state ON paas_releases
    FOR EACH ROW
    EXECUTE FUNCTION paas_publish_release();

CREATE TRIGGER paas_add_up_usage
    AFTER INSERT ON paas_resource_usage REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT
    EXECUTE FUNCTION paas_add_up_usage();

CREATE TRIGGER paas_refuse_change
    BEFORE DELETE OR UPDATE OR TRUNCATE ON paas_resource_usage
    FOR EACH STATEMENT
    EXECUTE FUNCTION paas_refuse_change();

CREATE TRIGGER paas_refuse_change
    BEFORE DELETE OR UPDATE OR TRUNCATE ON paas_wallet_entries
    FOR EACH STATEMENT
    EXECUTE FUNCTION paas_refuse_change();
