"""Who did what: one row a write, in the same transaction."""

from contextvars import ContextVar

from skypanel.domain.account import Account, Organization
from skypanel.domain.app import App
from skypanel.ports import Connection
from skypanel.store import audit

# Where what is done now was asked for, such as `api 192.0.2.7`; who answers requests sets it for each.
ORIGIN: ContextVar[str | None] = ContextVar("origin", default=None)


async def record(
    conn: Connection,
    action: str,
    by: Account,
    app: App | None = None,
    *,
    organization: Organization | None = None,
    account: Account | None = None,
    **details: object,
) -> None:
    """Write an audit row; `account` is whose own it is, where that is not who did it. `details` never hold a secret."""
    if account is not None and account.id != by.id:
        details["account"] = account.email
    owner = app.organization_id if app else organization.id if organization else None
    await audit.add(
        conn,
        action,
        account_id=by.id,
        email=by.email,
        organization_id=owner,
        app_id=app.id if app else None,
        app_name=app.name if app else None,
        details=details,
        origin=ORIGIN.get(),
    )
