"""Who did what: one row a write, in the same transaction; and who was denied what."""

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

# Where what is done now was asked for, such as `api 192.0.2.7`; who answers requests sets it for each.
ORIGIN: ContextVar[str | None] = ContextVar("origin", default=None)


@asynccontextmanager
async def denials(panel: Panel, by: Account, asked: str) -> AsyncIterator[None]:
    """Write down what an account is denied within the block, and raise it on; `asked` is what for."""
    try:
        yield
    except (Denied, Hidden) as error:
        await denied(panel, by, error, asked)
        raise


async def denied(panel: Panel, by: Account, error: SkyPanelError, asked: str) -> None:
    """Write down that an account was denied something, if that is what the error is."""
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
    """Write an audit row; `account` is whose own it is, where that is not who did it. `details` never hold a secret.

    Nobody does it (`by` is None) who cannot prove to be anybody.
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
