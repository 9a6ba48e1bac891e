"""Sending of messages about alerts, by workers. What waits for a destination goes in one message.

A worker claims a destination under a lease. If it ends after the service took the message and before that is recorded, which takes
milliseconds, the message is sent twice. In all other cases it is sent once.
"""

from collections.abc import Callable
from functools import partial

from skypanel.domain import alert as rules
from skypanel.domain.alert import MOST_AN_HOUR
from skypanel.domain.errors import Denied, Invalid, Unavailable
from skypanel.domain.ids import OrganizationId
from skypanel.flow import alert_destinations as destinations_flow
from skypanel.flow.drain import drain
from skypanel.ports.notifier import SEND_S
from skypanel.ports.panel import Panel
from skypanel.store import alert_destinations
from skypanel.store.alert_destinations import Claimed

AT_ONCE = 3
LEASE_S = 3 * SEND_S


async def deliver(panel: Panel, is_over: Callable[[], bool]) -> None:
    """Send what waits, to a few destinations at a time, until nothing is due or `is_over`."""

    async def claim() -> Claimed | None:
        if is_over():
            return None
        async with panel.transaction() as conn:
            return await alert_destinations.claim(conn, MOST_AN_HOUR, rules.HOUR, LEASE_S)

    await drain(claim, partial(_send, panel), AT_ONCE)


async def _send(panel: Panel, claimed: Claimed) -> None:
    async with panel.autocommit() as conn:
        waiting = await alert_destinations.waiting(conn, claimed.destination.id)
    if not waiting:  # it was silenced or resolved meanwhile
        return
    message = rules.message([each.telling for each in waiting], _url(panel, claimed.destination.organization_id))
    try:
        await destinations_flow.send(panel, panel.cipher.decrypt(claimed.url), message)
    except (Denied, Invalid, Unavailable) as error:
        async with panel.autocommit() as conn:
            await alert_destinations.failed(conn, claimed, error.message, rules.pause(claimed.failures + 1))
        return
    async with panel.transaction() as conn:
        await alert_destinations.sent(conn, claimed, [each.id for each in waiting], MOST_AN_HOUR)


def _url(panel: Panel, organization_id: OrganizationId | None) -> str:
    place = f"/organizations/{organization_id}/alerts" if organization_id else "/admin/alerts"
    return panel.address.dashboard_url().rstrip("/") + place
