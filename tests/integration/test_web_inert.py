"""Texts of users, and of what they push, are never markup: on any page, whatever they are."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from skypanel.domain.alert import AlertKind, Problem
from skypanel.domain.manifest import DynoState
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import config as config_flow
from skypanel.store import alerts, keys
from tests.support.pages import addresses, names

# Each text says where it is from. Apps' names and config vars' have no room for markup.
COLUMNS = {
    "paas_alerts": ("subject", "message"),
    "paas_applications": ("deploy_branch",),
    "paas_audit_log": ("app_name", "email", "origin"),
    "paas_builds": ("source_commit", "source_branch", "source_subject", "source_author", "error"),
    "paas_deploy_keys": ("public_key",),
    "paas_domains": ("proof_problem", "address_problem"),
    "paas_log_drains": ("shown", "error"),
    "paas_monthly_usage": ("app_name",),
    "paas_nodes": ("name", "address", "error"),
    "paas_organizations": ("name",),
    "paas_passkeys": ("name",),
    "paas_releases": ("description", "error"),
    "paas_remotes": ("branch",),
    "paas_rollouts": ("error",),
    "paas_sessions": ("browser", "address"),
    "paas_ssh_keys": ("name",),
    "paas_tokens": ("description",),
    "paas_webhook_deliveries": ("error",),
}
# One row of what the test's own calls do not make. Lines of a wallet never change, and a webhook's URL begins as one.
ROWS = (
    """
    INSERT INTO paas_passkeys (account_id, credential, public_key, sign_count, name)
    SELECT id, 'c', 'k', 0, '' FROM paas_accounts WHERE is_admin
    """,
    """
    INSERT INTO paas_monthly_usage (organization_id, month, app_id, app_name, dyno_seconds, cost)
    SELECT organization_id, date_trunc('month', CAST(:today AS timestamp)), gen_random_uuid(), '', 1, 1 FROM paas_applications
    """,
    "INSERT INTO paas_deploy_keys (app_id, public_key, secret) SELECT id, '', 's' FROM paas_applications",
    """
    INSERT INTO paas_domains (app_id, name, token, verified_at, checked_at)
    SELECT id, 'a.example.com', 't', NULL, now() FROM paas_applications
    UNION SELECT id, 'b.example.com', 't', now(), now() FROM paas_applications
    """,
    "INSERT INTO paas_log_drains (app_id, url, shown) SELECT id, 'u', '' FROM paas_applications",
    "INSERT INTO paas_remotes (app_id, url, branch) SELECT id, 'ssh://git@example.com/a.git', '' FROM paas_applications",
    """
    INSERT INTO paas_nodes (name, address, port, "user", host_key, kind, secret, state, wanted)
    VALUES ('', '', 22, 'root', '', 'key', 's', 'pending', 'active')
    """,
    """
    INSERT INTO paas_webhooks (app_id, url, include, level, secret) SELECT id, 'https://' || :webhook, '{api:build}', 'sync', 's'
    FROM paas_applications
    """,
    """
    INSERT INTO paas_webhook_events (app_id, include, action, resource, fields)
    SELECT id, 'api:build', 'create', 'build', '{}' FROM paas_applications
    """,
    "INSERT INTO paas_webhook_deliveries (webhook_id, event_id) SELECT w.id, e.id FROM paas_webhooks w, paas_webhook_events e LIMIT 1",
    """
    INSERT INTO paas_wallet_entries (organization_id, kind, amount, balance, note) SELECT id, 'credit', 1, 1, :note FROM paas_organizations
    """,
)
# What no page shows as it is.
UNSEEN = {"paas_alerts.subject", "paas_rollouts.error", "paas_sessions.browser"}


def hostile(place):
    return f"<script>alert('{place}')</script>"


@pytest.fixture
async def paths(stage, app):
    """The addresses of all pages, which show hostile texts wherever there is a text."""
    panel, admin = stage.panel, stage.admin
    await config_flow.change(panel, app, {"GREETING": hostile("value")}, admin)
    panel.builder.answer("compile", code=1, out=hostile("log").encode())
    panel.builder.answer("cat", "/app/Procfile", out=f"web: echo {hostile('command')}\n".encode())
    await stage.push(app, "second")
    await stage.work()
    for key, dyno in panel.scheduler.running.items():
        panel.scheduler.running[key] = replace(dyno, state=DynoState.CRASHED, reason=hostile("reason"))
        panel.scheduler.printed[key] = [hostile("printed")]
    await accounts_flow.add_token(panel, admin, "laptop")
    async with panel.transaction() as conn:
        await keys.add(conn, admin.id, "ssh-ed25519 AAAA", "SHA256:mine", "laptop")
        await alerts.add(conn, AlertKind.NODE_INACTIVE, Problem("worker-1", "Node worker-1 is inactive."))
        found = await names(conn, app.name)
        failed = await conn.first(text("SELECT id FROM paas_builds WHERE state = 'failed'"))
    return addresses(found | {"deploy": str(failed.id)}).values()


async def test_no_text_is_markup_on_any_page(admin, stage, paths):
    async with stage.panel.transaction() as conn:
        await conn.execute(text("INSERT INTO paas_audit_log (action, details) VALUES ('config.change', '{}')"))
        given = {"today": stage.panel.clock.now().date(), "webhook": hostile("webhook"), "note": hostile("note")}
        for row in ROWS:
            made = text(row.replace("api:build", r"api\:build"))
            await conn.execute(made.bindparams(**{name: given[name] for name in made.compile().params}))
        for table, columns in COLUMNS.items():
            for column in columns:
                await conn.execute(text(f"UPDATE {table} SET {column} = :it").bindparams(it=hostile(f"{table}.{column}")))
    shown = ""
    for path in paths:
        page = await admin.page(path)
        assert "<script>alert" not in page, path
        shown += page
    seen = {f"{table}.{column}" for table, columns in COLUMNS.items() for column in columns} - UNSEEN
    places = (*seen, "log", "reason", "printed", "webhook", "note")
    assert [place for place in places if f"&lt;script&gt;alert(&#39;{place}&#39;)" not in shown] == []
    assert hostile("value") not in shown
