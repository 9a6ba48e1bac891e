"""Who did what: one row a write, in the same transaction."""

from skypanel.domain.account import Account, Organization
from skypanel.domain.app import App
from skypanel.ports import Connection
from skypanel.store import audit


async def record(
    conn: Connection, action: str, by: Account, app: App | None = None, *, organization: Organization | None = None, **details: object
) -> None:
    """Write an audit row. `details` never hold a secret."""
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
        origin=None,
    )
