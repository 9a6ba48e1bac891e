"""Alerts, as administrators read them."""

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account
from skypanel.domain.alert import Alert
from skypanel.domain.audit import AuditAction
from skypanel.domain.ids import AlertId
from skypanel.domain.paging import PAGE_SIZE, Part
from skypanel.flow import audit
from skypanel.ports.panel import Panel
from skypanel.store import alerts


async def history(panel: Panel, by: Account, number: int) -> Part[Alert]:
    """Return a page of all alerts: the open ones first, then the newest. Raises Denied."""
    check_admin(by)
    async with panel.autocommit() as conn:
        found = await alerts.history(conn, offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)
        _, total = await alerts.counts(conn)
    return Part(found, number, total)


async def resolve(panel: Panel, by: Account, alert_id: AlertId) -> Alert:
    """Close an alert that somebody took care of. If what it reports happens again, a new one opens. Raises Denied or NotFound."""
    check_admin(by)
    async with panel.transaction() as conn:
        alert = await alerts.resolve_one(conn, alert_id)
        await audit.record(conn, AuditAction.ALERT_RESOLVE, by, kind=alert.kind, subject=alert.subject)
    return alert
