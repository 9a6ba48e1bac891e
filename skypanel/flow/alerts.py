"""Alerts, as administrators read them."""

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account
from skypanel.domain.alert import Alert
from skypanel.domain.paging import PAGE_SIZE, Part
from skypanel.ports.panel import Panel
from skypanel.store import alerts


async def history(panel: Panel, by: Account, number: int) -> Part[Alert]:
    """Return a page of all alerts: the open ones first, then the newest. Raises Denied."""
    check_admin(by)
    async with panel.autocommit() as conn:
        found = await alerts.history(conn, offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)
        _, total = await alerts.counts(conn)
    return Part(found, number, total)
