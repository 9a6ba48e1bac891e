"""The audit log. Its entries never change."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, insert, select

from skypanel.domain.audit import AuditAction, AuditEntry, AuditFilter
from skypanel.domain.ids import AccountId, AppId, OrganizationId
from skypanel.domain.paging import Cursor
from skypanel.ports.database import Connection
from skypanel.store import pages
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


async def page(conn: Connection, wanted: AuditFilter, cursor: Cursor, limit: int) -> list[AuditEntry]:
    """Return up to `limit` of the wanted entries next to the cursor, newest first."""
    statement = select(audit_log).where(*_conditions(wanted))
    return [AuditEntry(**row._asdict()) for row in await pages.near(conn, statement, audit_log.c.id, cursor, limit)]


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    given = (
        (audit_log.c.organization_id, wanted.organization_id),
        (audit_log.c.app_id, wanted.app_id),
        (audit_log.c.email, wanted.email.lower()),
        (audit_log.c.action, wanted.action),
        (audit_log.c.app_name, wanted.app_name),
    )
    since = [audit_log.c.at >= wanted.since] if wanted.since else []
    until = [audit_log.c.at < wanted.until] if wanted.until else []
    hidden = [audit_log.c.action.not_in(sorted(wanted.hidden))] if wanted.hidden else []
    return [column == value for column, value in given if value] + since + until + hidden
