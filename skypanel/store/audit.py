"""The audit log. Its entries never change."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select

from skypanel.domain.audit import AuditAction, AuditEntry
from skypanel.domain.ids import AccountId, AppId, OrganizationId
from skypanel.ports.database import Connection
from skypanel.store.tables.audit import audit_log


async def add(
    conn: Connection,
    action: AuditAction,
    *,
    account_id: AccountId | None = None,
    email: str | None = None,
    organization_id: OrganizationId | None = None,
    app_id: AppId | None = None,
    app_name: str | None = None,
    details: Mapping[str, Any] | None = None,
    origin: str | None = None,
) -> None:
    """Record an action, in the same transaction as the action itself. `details` is JSON and must not hold a secret."""
    values = {
        "action": action,
        "account_id": account_id,
        "email": email,
        "organization_id": organization_id,
        "app_id": app_id,
        "app_name": app_name,
        "details": dict(details or {}),
        "origin": origin,
    }
    await conn.execute(insert(audit_log).values(values))


async def recent(conn: Connection, limit: int) -> list[AuditEntry]:
    """Return the newest entries, newest first."""
    return [AuditEntry(**row._asdict()) for row in await conn.all(select(audit_log).order_by(audit_log.c.id.desc()).limit(limit))]
