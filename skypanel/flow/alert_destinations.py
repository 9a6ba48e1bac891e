"""Where messages about alerts go: chosen by an organization, or by administrators for the platform, where there is no organization."""

from collections.abc import Collection, Sequence

from skypanel.domain import alert as rules
from skypanel.domain.access import check_admin
from skypanel.domain.account import Account, Organization
from skypanel.domain.alert import MAX_DESTINATIONS, TRIAL, AlertKind, Destination, Message
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict
from skypanel.domain.ids import DestinationId, OrganizationId
from skypanel.domain.mail import Mail, check_recipient
from skypanel.domain.names import check_email
from skypanel.flow import audit, mail
from skypanel.flow.configured import receiver_networks
from skypanel.ports.panel import Panel
from skypanel.store import alert_destinations, locks

MAIL = "Mail"


async def of(panel: Panel, by: Account, organization: Organization | None) -> Sequence[Destination]:
    """Return the destinations, oldest first. Raises Denied."""
    async with panel.autocommit() as conn:
        return await alert_destinations.of(conn, _owner(by, organization))


async def add(
    panel: Panel, by: Account, organization: Organization | None, *, name: str, url: str, muted: Collection[AlertKind] = ()
) -> Destination:
    """Add a destination: an address for mail, or a URL of Apprise. Raises Denied, Invalid, Unavailable, and Conflict if there are too many.

    Nothing is sent yet. `try_out` shows whether it works.
    """
    owner, name, url = _owner(by, organization), rules.check_name(name), rules.check_url(url)
    service = MAIL if _is_address(url) else await panel.notifier.check(url)
    async with panel.transaction() as conn:
        await locks.hold(conn, "alert_destinations")
        if len(await alert_destinations.of(conn, owner)) >= MAX_DESTINATIONS:
            raise Conflict(f"There are {MAX_DESTINATIONS} destinations already.", "Remove one first.")
        made = await alert_destinations.add(
            conn, owner, by.id, name=name, service=service, url=panel.cipher.encrypt(url), muted=frozenset(muted)
        )
        await audit.record(conn, AuditAction.ALERT_DESTINATION_ADD, by, organization=organization, name=name, service=service)
    return made


async def choose(
    panel: Panel, by: Account, organization: Organization | None, destination_id: DestinationId, chosen: Collection[AlertKind]
) -> Destination:
    """Send a destination alerts of these rules and no others. Raises Denied and NotFound."""
    muted = [kind for kind in rules.rules_of(admins=organization is None) if kind not in chosen]
    async with panel.transaction() as conn:
        changed = await alert_destinations.mute(conn, _owner(by, organization), destination_id, muted)
        await audit.record(conn, AuditAction.ALERT_DESTINATION_CHANGE, by, organization=organization, name=changed.name, muted=muted)
    return changed


async def remove(panel: Panel, by: Account, organization: Organization | None, destination_id: DestinationId) -> Destination:
    """Remove a destination. Raises Denied and NotFound."""
    async with panel.transaction() as conn:
        removed = await alert_destinations.remove(conn, _owner(by, organization), destination_id)
        await audit.record(conn, AuditAction.ALERT_DESTINATION_REMOVE, by, organization=organization, name=removed.name)
    return removed


async def try_out(panel: Panel, by: Account, organization: Organization | None, destination_id: DestinationId) -> Destination:
    """Send a message to a destination now. Raises NotFound, Denied, Invalid, and Unavailable with the reason why it was not taken."""
    async with panel.transaction() as conn:
        destination, url = await alert_destinations.get(conn, _owner(by, organization), destination_id)
        await audit.record(conn, AuditAction.ALERT_DESTINATION_TEST, by, organization=organization, name=destination.name)
    await send(panel, panel.cipher.decrypt(url), TRIAL)
    return destination


async def send(panel: Panel, url: str, message: Message) -> None:
    """Send a message to the URL or the address of a destination. Raises Denied, Invalid and Unavailable."""
    if not _is_address(url):
        async with panel.autocommit() as conn:
            networks = await receiver_networks(conn)
        await panel.notifier.send(url, message, networks)
    elif failed := await mail.send(panel, Mail(url, message.title, f"{message.text}\n")):
        raise failed


def _is_address(url: str) -> bool:
    """Whether this is an address for mail, and no URL. Raises Invalid for an address to which none can be sent."""
    if "://" in url:
        return False
    check_recipient(check_email(url))
    return True


def _owner(by: Account, organization: Organization | None) -> OrganizationId | None:
    if organization is not None:
        return organization.id
    check_admin(by)
    return None
