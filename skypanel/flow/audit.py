"""The audit log: one entry for each write, in the same transaction, and one for each denial."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from skypanel.domain.account import Account, Organization
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Denied, Hidden, SkyPanelError
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import audit

# The origin of the current request, such as `api 192.0.2.7`. Code that handles requests sets it for each one.
ORIGIN: ContextVar[str | None] = ContextVar("origin", default=None)


@asynccontextmanager
async def denials(panel: Panel, by: Account, asked: str) -> AsyncIterator[None]:
    """Record each denial in the block, then raise it again; `asked` is what the account asked for."""
    try:
        yield
    except (Denied, Hidden) as error:
        await denied(panel, by, error, asked)
        raise


async def denied(panel: Panel, by: Account, error: SkyPanelError, asked: str) -> None:
    """Record an error in the audit log if it is a denial."""
    if not isinstance(error, Denied | Hidden):
        return
    async with panel.transaction() as conn:
        await record(conn, AuditAction.ACCESS_DENY, by, asked=asked, said=error.message)


async def record(
    conn: Connection,
    action: AuditAction,
    by: Account | None,
    app: App | None = None,
    *,
    organization: Organization | None = None,
    account: Account | None = None,
    **details: object,
) -> None:
    """Record an action. `details` must not hold a secret.

    `by` is None if the person is not authenticated. `account` is the account concerned, if it is not `by`.
    """
    if account is not None and account != by:
        details["account"] = account.email
    owner = app.organization_id if app else organization.id if organization else None
    await audit.add(
        conn,
        action,
        account_id=by.id if by else None,
        email=by.email if by else None,
        organization_id=owner,
        app_id=app.id if app else None,
        app_name=app.name if app else None,
        details=details,
        origin=ORIGIN.get(),
    )
