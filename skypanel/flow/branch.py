"""Choosing the branch whose pushes deploy an app."""

from skypanel.domain.account import Account
from skypanel.domain.app import App, check_deploy_branch
from skypanel.domain.audit import AuditAction
from skypanel.flow import audit
from skypanel.ports.panel import Panel
from skypanel.store import apps


async def choose(panel: Panel, app: App, name: str, by: Account) -> App:
    """Set the deploy branch; an empty name stands for the default, main or master. What is deployed stays. Raises Invalid."""
    wanted = check_deploy_branch(name) if name.strip() else None
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        if (await apps.get(conn, app.id)).deploy_branch != wanted:
            await apps.set_deploy_branch(conn, app.id, wanted)
            await audit.record(conn, AuditAction.APP_BRANCH, by, app, branch=wanted)
        return await apps.get(conn, app.id)
