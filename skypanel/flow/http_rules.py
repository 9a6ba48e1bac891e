"""Choosing how requests to an app are served."""

from dataclasses import asdict

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.http_rules import HttpRules, OwnHttpRules, check_timeout, rules
from skypanel.flow import audit
from skypanel.flow.configured import plain
from skypanel.ports.panel import Panel
from skypanel.store import apps


async def choose(panel: Panel, app: App, wanted: OwnHttpRules, by: Account) -> App:
    """Set an app's limits and its redirect to HTTPS. The proxy has them within a second. Raises Invalid."""
    for seconds in (wanted.first_byte_timeout_s, wanted.idle_timeout_s):
        if seconds is not None:
            check_timeout(seconds)
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        if (await apps.get(conn, app.id)).http != wanted:
            await apps.set_http_rules(conn, app.id, wanted)
            await audit.record(conn, AuditAction.APP_HTTP, by, app, **asdict(wanted))
        return await apps.get(conn, app.id)


async def in_force(panel: Panel, own: OwnHttpRules) -> HttpRules:
    """Return the rules of an app that has chosen these, under the panel's settings."""
    async with panel.autocommit() as conn:
        return rules(own, await plain(conn))
