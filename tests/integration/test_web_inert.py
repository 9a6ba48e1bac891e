"""Texts of users, and of what they push, are never markup: on any page, whatever they are."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from skypanel.domain.alert import AlertKind
from skypanel.domain.manifest import DynoState
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import config as config_flow
from skypanel.store import alerts, keys
from tests.support.pages import addresses, names

# Each text says where it is from. Apps' names and config vars' have no room for markup.
COLUMNS = {
    "paas_alerts": ("subject", "message"),
    "paas_audit_log": ("app_name", "email", "origin"),
    "paas_builds": ("source_commit", "source_branch", "source_subject", "source_author", "error"),
    "paas_organizations": ("name",),
    "paas_releases": ("description", "error"),
    "paas_rollouts": ("error",),
    "paas_sessions": ("browser", "address"),
    "paas_ssh_keys": ("name",),
    "paas_tokens": ("description",),
}
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
        await alerts.add(conn, AlertKind.NODE_INACTIVE, "worker-1", "Node worker-1 is inactive.")
        found = await names(conn, app.name)
        failed = await conn.first(text("SELECT id FROM paas_builds WHERE state = 'failed'"))
    return addresses(found | {"deploy": str(failed.id)}).values()


async def test_no_text_is_markup_on_any_page(admin, stage, paths):
    async with stage.panel.transaction() as conn:
        await conn.execute(text("INSERT INTO paas_audit_log (action, details) VALUES ('config.change', '{}')"))
        for table, columns in COLUMNS.items():
            for column in columns:
                await conn.execute(text(f"UPDATE {table} SET {column} = :it").bindparams(it=hostile(f"{table}.{column}")))
    shown = ""
    for path in paths:
        page = await admin.page(path)
        assert "<script>alert" not in page, path
        shown += page
    seen = {f"{table}.{column}" for table, columns in COLUMNS.items() for column in columns} - UNSEEN
    places = (*seen, "log", "reason", "printed")
    assert [place for place in places if f"&lt;script&gt;alert(&#39;{place}&#39;)" not in shown] == []
    assert hostile("value") not in shown
