"""The schema as Postgres itself describes it."""

import re
from datetime import UTC, datetime
from itertools import starmap

import pytest
from sqlalchemy import ClauseElement, Executable, column, text
from sqlalchemy.ext.compiler import compiles

from skypanel.domain.audit import AuditFilter
from skypanel.domain.billing import EntryKind
from skypanel.domain.build import BuildState
from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.node import NodeState, Wanted
from skypanel.domain.paging import Cursor
from skypanel.domain.password import KNOWN_FOR, WINDOW
from skypanel.domain.period import Period
from skypanel.domain.plan import FIRST_PLANS
from skypanel.domain.release import ReleaseState, RolloutReason, RolloutState
from skypanel.store import (
    accounts,
    apps,
    audit,
    build_queue,
    builds,
    collaborators,
    compiled,
    config_history,
    config_vars,
    deploy_history,
    deploys,
    keys,
    known_addresses,
    listings,
    nodes,
    organizations,
    passkeys,
    releases,
    rollouts,
    routes,
    sign_in_attempts,
    sign_ins,
    stop_orders,
    tokens,
    two_factor,
    usage,
    usage_sums,
    wallets,
)
from skypanel.store.usage_sums import UsageQuery
from tests.support import factories

# What happens to a row when the one it refers to is deleted.
RULES = {
    ("paas_memberships", "organization_id"): "CASCADE",
    ("paas_memberships", "account_id"): "CASCADE",
    ("paas_collaborators", "app_id"): "CASCADE",
    ("paas_domains", "app_id"): "CASCADE",
    ("paas_certificates", "app_id"): "CASCADE",
    ("paas_acme_orders", "app_id"): "CASCADE",
    ("paas_acme_orders", "account_id"): "CASCADE",
    ("paas_acme_requests", "organization_id"): "CASCADE",
    ("paas_domains", "account_id"): "SET NULL",
    ("paas_metrics", "app_id"): "CASCADE",
    ("paas_webhooks", "app_id"): "CASCADE",
    ("paas_webhooks", "account_id"): "SET NULL",
    ("paas_webhook_events", "app_id"): "CASCADE",
    ("paas_webhook_events", "account_id"): "SET NULL",
    ("paas_webhook_deliveries", "webhook_id"): "CASCADE",
    ("paas_webhook_deliveries", "event_id"): "CASCADE",
    ("paas_log_drains", "app_id"): "CASCADE",
    ("paas_log_drains", "account_id"): "SET NULL",
    ("paas_alerts", "organization_id"): "CASCADE",
    ("paas_alerts", "app_id"): "CASCADE",
    ("paas_alert_silences", "account_id"): "SET NULL",
    ("paas_alert_destinations", "organization_id"): "CASCADE",
    ("paas_alert_destinations", "account_id"): "SET NULL",
    ("paas_alert_messages", "alert_id"): "CASCADE",
    ("paas_alert_messages", "destination_id"): "CASCADE",
    ("paas_collaborators", "account_id"): "CASCADE",
    ("paas_ssh_keys", "account_id"): "CASCADE",
    ("paas_tokens", "account_id"): "CASCADE",
    ("paas_login_links", "account_id"): "CASCADE",
    ("paas_sessions", "account_id"): "CASCADE",
    ("paas_totp_secrets", "account_id"): "CASCADE",
    ("paas_recovery_codes", "account_id"): "CASCADE",
    ("paas_pending_sign_ins", "account_id"): "CASCADE",
    ("paas_passkeys", "account_id"): "CASCADE",
    ("paas_reset_links", "account_id"): "CASCADE",
    ("paas_address_changes", "account_id"): "CASCADE",
    ("paas_known_addresses", "account_id"): "CASCADE",
    ("paas_uploads", "account_id"): "CASCADE",
    ("paas_remotes", "app_id"): "CASCADE",
    ("paas_remotes", "account_id"): "SET NULL",
    ("paas_deploy_keys", "app_id"): "CASCADE",
    ("paas_app_transfers", "app_id"): "CASCADE",
    ("paas_app_transfers", "sender_id"): "CASCADE",
    ("paas_app_transfers", "recipient_id"): "CASCADE",
    ("paas_plan_versions", "plan_id"): "CASCADE",
    # An app is dynos, slugs and a repository too: a row must not vanish from under them.
    ("paas_applications", "organization_id"): "RESTRICT",
    ("paas_applications", "plan_version_id"): "RESTRICT",
    ("paas_applications", "current_release_id"): "SET NULL",
    ("paas_stop_orders", "node_id"): "CASCADE",
    ("paas_formations", "app_id"): "CASCADE",
    ("paas_config_versions", "app_id"): "CASCADE",
    ("paas_config_versions", "account_id"): "SET NULL",
    ("paas_config_vars", "config_version_id"): "CASCADE",
    ("paas_routes", "app_id"): "CASCADE",
    ("paas_slugs", "app_id"): "CASCADE",
    ("paas_builds", "app_id"): "CASCADE",
    ("paas_builds", "account_id"): "SET NULL",
    ("paas_builds", "slug_id"): "SET NULL",
    ("paas_releases", "app_id"): "CASCADE",
    # A release keeps what it is made of, unless the app goes with all it has.
    ("paas_releases", "slug_id"): "NO ACTION",
    ("paas_releases", "config_version_id"): "NO ACTION",
    ("paas_releases", "build_id"): "SET NULL",
    ("paas_releases", "account_id"): "SET NULL",
    ("paas_rollouts", "app_id"): "CASCADE",
    ("paas_rollouts", "release_id"): "CASCADE",
    ("paas_settings", "updated_by"): "SET NULL",
}

FOREIGN_KEYS = """
    SELECT c.conrelid::regclass::text AS "table", a.attname AS "column",
        CASE c.confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE'
            WHEN 'n' THEN 'SET NULL' END AS rule
    FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
    WHERE c.contype = 'f'
"""

REFERENCES = """
    SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name LIKE '%\\_id'
        AND table_name NOT IN (
            'paas_audit_log', 'paas_usage_spans', 'paas_resource_usage', 'paas_daily_usage', 'paas_monthly_usage', 'paas_daily_totals',
            'paas_wallet_entries'
        )
"""

FIRST_INDEXED = """
    SELECT i.indrelid::regclass::text AS "table", a.attname AS "column"
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indpred IS NULL AND i.indisvalid AND i.indrelid::regclass::text LIKE 'paas\\_%'
"""

LOOKED_UP_BY = {
    ("paas_accounts", "email"),
    ("paas_applications", "name"),
    ("paas_ssh_keys", "fingerprint"),
    ("paas_tokens", "digest"),
    ("paas_login_links", "digest"),
    ("paas_sessions", "digest"),
    ("paas_uploads", "put_digest"),
    ("paas_plans", "name"),
    ("paas_settings", "key"),
    ("paas_slugs", "digest"),
    ("paas_audit_log", "account_id"),
    ("paas_audit_log", "organization_id"),
    ("paas_audit_log", "app_id"),
    ("paas_organizations", "settled_until"),
    ("paas_usage_spans", "organization_id"),
    ("paas_usage_spans", "app_id"),
    ("paas_resource_usage", "organization_id"),
    ("paas_resource_usage", "app_id"),
    ("paas_daily_usage", "organization_id"),
    ("paas_daily_usage", "app_id"),
    ("paas_monthly_usage", "organization_id"),
    ("paas_monthly_usage", "app_id"),
    ("paas_daily_totals", "organization_id"),
    ("paas_wallet_entries", "organization_id"),
    ("paas_wallet_entries", "account_id"),
    ("paas_nodes", "name"),
    ("paas_nodes", "token_digest"),
}


async def rows(database, query):
    async with database.transaction() as conn:
        return [tuple(row) for row in await conn.all(text(query))]


@pytest.mark.req("R4.1")
async def test_every_reference_is_a_foreign_key_with_a_considered_rule(database):
    found = {(table, name): rule for table, name, rule in await rows(database, FOREIGN_KEYS)}
    assert found == RULES
    assert {reference for reference in await rows(database, REFERENCES) if reference not in RULES} == set()


@pytest.mark.req("R4.1")
async def test_an_organization_with_apps_stays_until_they_are_gone(database):
    async with database.transaction() as conn:
        owner = await factories.organization(conn, await factories.account(conn))
        app = await factories.app(conn, owner=owner)

    async def delete():
        async with database.transaction() as conn:
            await conn.execute(organizations.organizations.delete().where(organizations.organizations.c.id == owner.id))

    with pytest.raises(Conflict):
        await delete()
    async with database.transaction() as conn:
        await apps.remove(conn, app.id)
    await delete()


@pytest.mark.req("R4.1")
async def test_what_somebody_did_outlives_the_account(database):
    async with database.transaction() as conn:
        person = await factories.account(conn)
        app = await factories.app(conn, owner=await factories.organization(conn, person))
        build = await builds.add(conn, app.id, person.id, factories.source())
        await keys.add(conn, person.id, "ssh-ed25519 AAAA", "SHA256:abc", "laptop")
        await conn.execute(accounts.accounts.delete().where(accounts.accounts.c.id == person.id))
        assert (await builds.get(conn, build.id)).account_id is None
        assert await keys.owner(conn, "SHA256:abc") is None
        assert await apps.get(conn, app.id) == app


@pytest.mark.req("R4.2")
async def test_every_foreign_key_and_looked_up_column_is_indexed(database):
    assert (set(RULES) | LOOKED_UP_BY) - set(await rows(database, FIRST_INDEXED)) == set()


class Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, statement):
        self.statement = statement

    def __getattr__(self, name):
        return getattr(self.statement, name)


@compiles(Explain)
def explain(element, compiler, **options):
    return f"EXPLAIN {compiler.process(element.statement, **options)}"


class Explained:
    """A connection that keeps the plan of every statement it runs."""

    def __init__(self, conn):
        self._conn = conn
        self.plans = []

    async def _explained(self, statement, values):
        if values is None:
            return await self._conn.all(Explain(statement))
        # It is prepared by now.
        bound = compiled.of(statement, values)
        return await self._conn.all(text(re.sub(r"%\((\w+)\)s", r":\1", f"EXPLAIN {bound.sql}")).bindparams(**bound.parameters))

    async def _run(self, name, statement, values):
        result = await getattr(self._conn, name)(statement, values)
        self.plans.append("\n".join(starmap(str, await self._explained(statement, values))))
        return result

    async def all(self, statement, values=None):
        return await self._run("all", statement, values)

    async def first(self, statement, values=None):
        return await self._run("first", statement, values)

    async def execute(self, statement, values=None):
        return await self._run("execute", statement, values)


NOW = factories.later(0)
# Months and days.
PERIOD = Period(datetime(2026, 10, 30, tzinfo=UTC), datetime(2026, 12, 3, tzinfo=UTC))
HOT = {
    "app by name": lambda conn, app: apps.by_name(conn, app.name),
    "account by address": lambda conn, _: accounts.by_email(conn, "ada@example.com"),
    "key by fingerprint": lambda conn, _: keys.owner(conn, "SHA256:abc"),
    "token by digest": lambda conn, _: tokens.owner(conn, factories.digest()),
    "use of a token": lambda conn, _: tokens.use(conn, factories.digest()),
    "access to an app": lambda conn, app: apps.access(conn, app.name, app.id),
    "app as lists show it": lambda conn, app: listings.get(conn, app.id, app.id),
    "apps as lists show them": lambda conn, app: listings.of(conn, app.id, after="a", limit=200),
    "session by digest": lambda conn, _: sign_ins.session(conn, factories.digest()),
    "sessions of an account": lambda conn, app: sign_ins.of(conn, app.id, factories.digest()),
    "known address": lambda conn, _: known_addresses.knows(conn, "ada@example.com", "192.0.2.1", KNOWN_FOR),
    "second factor": lambda conn, app: two_factor.get(conn, app.id),
    "sign-in that waits": lambda conn, _: two_factor.pending(conn, factories.digest()),
    "passkey by credential": lambda conn, _: passkeys.by_credential(conn, b"id"),
    "credentials": lambda conn, _: accounts.credentials(conn, "ada@example.com"),
    "attempts to sign in": lambda conn, _: sign_in_attempts.lately(conn, factories.digest(), "192.0.2.1", WINDOW),
    "apps being deployed": lambda conn, app: deploys.open_among(conn, [app.id]),
    "apps that were never live": lambda conn, app: deploys.failed_among(conn, [app.id]),
    "failure of the last deploy": lambda conn, app: deploys.last_failed(conn, app.id),
    "history of deploys": lambda conn, app: deploy_history.page(conn, app.id, 51),
    "older deploys": lambda conn, app: deploy_history.page(conn, app.id, 51, older_than=app.id),
    "newer deploys": lambda conn, app: deploy_history.page(conn, app.id, 51, newer_than=app.id),
    "changes of config vars": lambda conn, app: config_history.page(conn, app.id, 51),
    "origins of config vars": lambda conn, app: config_history.origins(conn, app.id),
    "older releases": lambda conn, app: releases.recent(conn, app.id, 20, before=5),
    "role": lambda conn, app: organizations.role(conn, app.organization_id, app.id),
    "role on an app": lambda conn, app: collaborators.role(conn, app, app.id),
    "organization by name": lambda conn, _: organizations.by_name(conn, "Acme"),
    "config head": lambda conn, app: config_vars.head(conn, app.id),
    "release head": lambda conn, app: releases.recent(conn, app.id, 1),
    "release by version": lambda conn, app: releases.by_version(conn, app.id, 1),
    "active build": lambda conn, app: builds.active(conn, app.id),
    "build of a source": lambda conn, app: builds.succeeded(conn, app.id, factories.digest()),
    "claim of a build": lambda conn, _: builds.claim(conn, "worker", 60, 2),
    "turn of a build": lambda conn, app: build_queue.turn(conn, app.id, 2),
    "expired builds": lambda conn, _: builds.expire(conn, "lost"),
    "claim of a rollout": lambda conn, _: rollouts.claim(conn, "worker", 60),
    "node by token": lambda conn, _: nodes.by_token(conn, factories.digest()),
    "node by member": lambda conn, _: nodes.by_member(conn, "m1"),
    "stop orders of a node": lambda conn, app: stop_orders.of(conn, app.id),
    "slugs for nodes": lambda conn, _: nodes.wanted_slugs(conn),
    "balance of a wallet": lambda conn, app: wallets.balance(conn, app.organization_id),
    "usage to settle": lambda conn, app: usage.settle(conn, app.organization_id, NOW, NOW),
    "usage of a period": lambda conn, app: usage_sums.of_period(conn, UsageQuery(app.organization_id, PERIOD, NOW)),
    "figures of apps": lambda conn, app: usage_sums.figures(conn, UsageQuery(app.organization_id, PERIOD, NOW)),
    "activity of an organization": lambda conn, app: audit.page(conn, AuditFilter(app.organization_id), Cursor(before=9), 50),
    "activity of an app": lambda conn, app: audit.page(conn, AuditFilter(app_id=app.id), Cursor(after=9), 50),
    "page of a wallet": lambda conn, app: wallets.page(conn, app.organization_id, Cursor(), 50),
    "route": lambda conn, app: routes.get(conn, app.id),
}


@pytest.mark.req("R4.2")
@pytest.mark.parametrize("query", HOT)
async def test_hot_queries_use_indexes(database, query):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        release = await factories.release(conn, app)
        await factories.build(conn, app)
        await rollouts.add(conn, app.id, release.id, RolloutReason.RELEASE)
        await conn.execute(text("SET LOCAL enable_seqscan = off"))
        explained = Explained(conn)
        await HOT[query](explained, app)
    assert explained.plans
    assert [plan for plan in explained.plans if "Seq Scan on paas_" in plan] == []


@pytest.mark.parametrize(
    ("table", "column_", "choices"),
    [
        ("paas_builds", "state", BuildState),
        ("paas_releases", "state", ReleaseState),
        ("paas_rollouts", "state", RolloutState),
        ("paas_rollouts", "reason", RolloutReason),
        ("paas_nodes", "state", NodeState),
        ("paas_nodes", "wanted", Wanted),
        ("paas_wallet_entries", "kind", EntryKind),
    ],
)
async def test_states_are_those_of_the_domain(database, table, column_, choices):
    query = f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = '{table}_{column_}_check'"
    ((definition,),) = await rows(database, query)
    assert {word for word in definition.split("'") if word.isalpha() and word.islower()} == set(choices)


async def test_a_release_version_is_positive_and_once_in_an_app(database):
    async def change(version):
        async with database.transaction() as conn:
            app = await factories.app(conn)
            first, _ = await factories.release(conn, app), await factories.release(conn, app)
            table = releases.releases
            await conn.execute(table.update().where(table.c.id == first.id).values({column("version").name: version}))

    with pytest.raises(Invalid):
        await change(0)
    with pytest.raises(Conflict):
        await change(2)


async def test_a_plan_that_makes_no_sense_is_refused(database):
    async def add():
        async with database.transaction() as conn:
            await factories.plans.add(conn, type(FIRST_PLANS[0])("Nothing", 0, 0, 0, -1))

    with pytest.raises(Invalid):
        await add()
