"""Who did what: one row a write, in the same transaction."""

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.ports import Connection
from skypanel.store import audit


async def record(conn: Connection, action: str, by: Account, app: App | None = None, **details: object) -> None:
    """Write an audit row. `details` never hold a secret."""
    await audit.add(
        conn,
        action,
        account_id=by.id,
        email=by.email,
        organization_id=app.organization_id if app else None,
        app_id=app.id if app else None,
        app_name=app.name if app else None,
        details=details,
        origin=None,
    )
