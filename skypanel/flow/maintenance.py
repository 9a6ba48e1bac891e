"""Answering for an app while its owner works on it."""

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.flow import audit, route
from skypanel.ports.panel import Panel
from skypanel.store import apps


async def switch(panel: Panel, app: App, by: Account, *, on: bool) -> None:
    """Have the panel answer 503 on an app's hostnames, or the app itself again; its dynos run on all the time.

    It stays so through deploys, restarts, rollbacks and another name. Raises Unavailable where the proxy does
    not follow: it does so as soon as it can.
    """
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        if (await apps.get(conn, app.id)).maintenance != on:
            await apps.set_maintenance(conn, app.id, on=on)
            await audit.record(conn, AuditAction.APP_MAINTENANCE, by, app, on=on)
    await route.confirm(panel, app.id)
