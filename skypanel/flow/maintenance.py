"""Maintenance mode: the panel answers an app's requests while its owner works on it."""

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.flow import audit, route
from skypanel.ports.panel import Panel
from skypanel.store import apps


async def switch(panel: Panel, app: App, by: Account, *, on: bool) -> None:
    """Turn maintenance mode on or off. While it is on, the panel answers 503 on the app's hostnames, and the dynos keep running.

    Deploys, restarts, rollbacks and renames do not change it. Raises Unavailable if the proxy does not respond in time; it then follows as
    soon as it can.
    """
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        if (await apps.get(conn, app.id)).maintenance != on:
            await apps.set_maintenance(conn, app.id, on=on)
            await audit.record(conn, AuditAction.APP_MAINTENANCE, by, app, on=on)
    await route.confirm(panel, app.id)
