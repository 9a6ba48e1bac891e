"""Alerts, as those who are concerned read, resolve and silence them."""

from datetime import timedelta

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account, Organization
from skypanel.domain.alert import KEPT, Alert, AlertFilter
from skypanel.domain.audit import AuditAction
from skypanel.domain.ids import AlertId
from skypanel.domain.paging import PAGE_SIZE, Part
from skypanel.flow import audit
from skypanel.ports.panel import Panel
from skypanel.store import alert_destinations, alerts


async def history(panel: Panel, by: Account, wanted: AlertFilter, number: int) -> Part[Alert]:
    """Return a page of alerts: the open ones first, then the newest. Raises Denied for those of the platform.

    The caller has checked access to the app or organization.
    """
    if wanted.is_of_platform:
        check_admin(by)
    async with panel.autocommit() as conn:
        found = await alerts.history(conn, wanted, offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)
        return Part(found, number, await alerts.count(conn, wanted))


async def resolve(panel: Panel, by: Account, alert_id: AlertId, organization: Organization | None = None) -> Alert:
    """Close an alert that somebody took care of. If what it reports is found again, a new one opens. Raises Denied or NotFound.

    Without an organization, it is one of the platform's.
    """
    async with panel.transaction() as conn:
        alert = await alerts.get(conn, _filter(by, organization), alert_id)
        await alerts.resolve(conn, alert.kind, alert.subject)
        await audit.record(conn, AuditAction.ALERT_RESOLVE, by, organization=organization, kind=alert.kind, subject=alert.subject)
    return alert


async def silence(panel: Panel, by: Account, alert_id: AlertId, length: timedelta, organization: Organization | None = None) -> Alert:
    """Send nothing about what an open alert is about, for a time. Raises as `resolve`."""
    until = panel.clock.now() + length
    async with panel.transaction() as conn:
        alert = await alerts.get(conn, _filter(by, organization), alert_id)
        await alerts.silence(conn, alert, until, by.id)
        await audit.record(
            *(conn, AuditAction.ALERT_SILENCE, by),
            organization=organization,
            kind=alert.kind,
            subject=alert.subject,
            until=f"{until:%F %R}",
        )
    return alert


async def sweep(panel: Panel) -> None:
    """Delete what was kept long enough, and drop messages that could not be sent for long."""
    async with panel.autocommit() as conn:
        await alerts.sweep(conn, panel.clock.now() - KEPT)
        await alert_destinations.give_up(conn)


def _filter(by: Account, organization: Organization | None) -> AlertFilter:
    if organization is None:
        check_admin(by)
    return AlertFilter(organization_id=organization.id if organization else None)
