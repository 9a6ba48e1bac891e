"""What a row of each table is, where psql and skypanel/store/schema.sql show it."""

from alembic import op

revision = "0018"
down_revision = "0017"

COMMENTS = """
COMMENT ON TABLE paas_accounts IS 'Somebody who signs in, by an address in lower case.';
COMMENT ON TABLE paas_ssh_keys IS 'A public key by which an account pushes.';
COMMENT ON TABLE paas_tokens IS 'An API token of an account: its digest, never itself.';
COMMENT ON COLUMN paas_tokens.busy_until IS
    'How much of its rate is used up: a virtual schedule, as in ITU-T I.371''s generic cell rate algorithm.';
COMMENT ON TABLE paas_login_links IS 'A link that signs an account in once, until it expires.';
COMMENT ON TABLE paas_sessions IS 'A browser that is signed in, until it expires.';
COMMENT ON TABLE paas_sign_in_attempts IS
    'A try to sign in that failed, or has not ended yet. Of what was typed in, only the digest is kept.';
COMMENT ON TABLE paas_applications IS 'An app.';
COMMENT ON COLUMN paas_applications.number IS 'Never used again: the user id that its dynos run as comes from it.';
COMMENT ON COLUMN paas_applications.generation IS 'Grows with each restart.';
COMMENT ON TABLE paas_collaborators IS
    'What an account may do with one app without being a member of its organization, as a viewer (1) or developer (2).';
COMMENT ON TABLE paas_app_transfers IS 'An app that one account offered to another, and what the other answered.';
COMMENT ON TABLE paas_formations IS 'How many dynos of a process type an app is to run.';
COMMENT ON TABLE paas_routes IS 'The hostnames of an app, and where they lead.';
COMMENT ON TABLE paas_audit_log IS 'Something that was done. No foreign keys: it stays on record when those it was done to are gone.';
COMMENT ON TABLE paas_usage_spans IS
    'A time through which an app was to run so many dynos at one price; without an end, it still is. Triggers write it.';
COMMENT ON TABLE paas_resource_usage IS 'What an app used in an hour that is settled.';
COMMENT ON TABLE paas_wallet_entries IS
    'A line of a wallet: what it changed, and what was left then. A trigger lets nobody change or remove it.';
COMMENT ON TABLE paas_slugs IS 'What a build made of a source: an archive of that digest in object storage.';
COMMENT ON COLUMN paas_slugs.process_types IS 'Commands by process type. Not JSONB, which would lose the Procfile''s order.';
COMMENT ON TABLE paas_builds IS 'A source that is, was or will be made into a slug. Workers claim it under a lease.';
COMMENT ON COLUMN paas_builds.attempt IS 'Grows with each claim: a worker that lost its lease is told apart by it.';
COMMENT ON TABLE paas_config_versions IS 'The config vars of an app, as one change left them.';
COMMENT ON TABLE paas_config_vars IS 'A config var of one version: its value is encrypted.';
COMMENT ON TABLE paas_nodes IS 'A machine of the Swarm: how it is reached, what is wanted of it, and what its agent said last.';
COMMENT ON COLUMN paas_nodes.member IS 'The Swarm''s name for it.';
COMMENT ON COLUMN paas_nodes.attempt IS 'Grows with each claim: a worker that lost its lease is told apart by it.';
COMMENT ON TABLE paas_stop_orders IS 'The container of a dyno that a node''s agent is to stop.';
COMMENT ON TABLE paas_alerts IS 'Something that administrators were told. What it is about may be gone.';
COMMENT ON TABLE paas_organizations IS 'Who owns apps, and pays for them.';
COMMENT ON COLUMN paas_organizations.billed IS 'Whether hours are charged to its wallet where the panel charges any.';
COMMENT ON COLUMN paas_organizations.unpaid IS 'Its wallet is empty: nothing of it runs, and no usage is recorded.';
COMMENT ON COLUMN paas_organizations.settled_until IS 'Until when its usage is in paas_resource_usage, and charged for.';
COMMENT ON COLUMN paas_organizations.held IS 'An administrator had its apps stop: so it stays, whatever its wallet has.';
COMMENT ON TABLE paas_memberships IS 'What an account may do in an organization, as a viewer (1), developer (2), admin (3) or owner (4).';
COMMENT ON TABLE paas_plans IS 'A size of dynos.';
COMMENT ON TABLE paas_plan_versions IS
    'What a plan grants each dyno, and what that costs an hour. It is never changed: apps keep the version that they hold.';
COMMENT ON TABLE paas_releases IS 'A slug with a config version, numbered within its app; of one without a slug nothing runs.';
COMMENT ON TABLE paas_rollouts IS 'A release that is, was or will be made live. Workers claim it under a lease, one at a time of an app.';
COMMENT ON COLUMN paas_rollouts.attempt IS 'Grows with each claim: a worker that lost its lease is told apart by it.';
COMMENT ON TABLE paas_settings IS 'What an administrator chose, as JSON or encrypted; a setting without a row has its default.';
COMMENT ON TABLE paas_uploads IS
    'An archive that somebody may upload once, and what came of it: the source, and the digest of the bytes as they were sent.';
COMMENT ON TABLE paas_remotes IS
    'The git URL that an app is deployed from where that is not a push, and what its SSH server showed when it was chosen.';
COMMENT ON TABLE paas_deploy_keys IS 'The key pair by which an app reads repositories elsewhere: what it signs with is encrypted.';

COMMENT ON FUNCTION paas_wanted_dynos(uuid) IS 'What an app is to run now, and at which price.';
COMMENT ON FUNCTION paas_track_usage(uuid) IS
    'Ends the spans of what an app is to run no more, and begins those of what it is to run anew.';
COMMENT ON FUNCTION paas_track_app() IS 'Tracks the app of a row that changes.';
COMMENT ON FUNCTION paas_track_formation() IS 'Tracks the app of a formation that changes.';
COMMENT ON FUNCTION paas_track_organization() IS 'Tracks all apps of an organization that changes.';
COMMENT ON FUNCTION paas_refuse_change() IS 'Keeps lines from being changed.';
"""


def upgrade() -> None:
    """Comment on tables, columns and functions."""
    op.execute(COMMENTS)
