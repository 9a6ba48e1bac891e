"""Suspension by an administrator: all apps of an organization stop, or run again."""

import logging

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account, Organization
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import SkyPanelError
from skypanel.domain.release import RolloutReason
from skypanel.domain.suspension import Suspension
from skypanel.flow import audit
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import apps, organizations, rollouts, wallets

STOPPED = "Stopped: an administrator suspended {organization}."
STARTED = "Running again: an administrator resumed {organization}."

log = logging.getLogger(__name__)


async def hold(panel: Panel, organization: Organization, by: Account) -> Organization:
    """Stop all apps of an organization until `resume`, whatever its balance. Idempotent. Raises Denied or NotFound."""
    return await _set(panel, organization, by, held=True)


async def resume(panel: Panel, organization: Organization, by: Account) -> Organization:
    """Start an organization's apps again as they were scaled, unless it is unpaid. Idempotent. Raises Denied or NotFound."""
    return await _set(panel, organization, by, held=False)


async def follow(panel: Panel, organization: Organization, line: str) -> None:
    """Start rollouts at once for the apps of an organization whose suspension changed; reconciliation would do so later.

    The log of each app gets the line, which says why.
    """
    async with panel.autocommit() as conn:
        own = await apps.of_organization(conn, organization.id)
    for app in own:
        try:
            await _converge(panel, app, line)
        except SkyPanelError:
            log.exception("%s (%s) is left to reconciliation", app.name, app.id)
    await panel.queue.wake(Job.ROLLOUT)


async def _set(panel: Panel, organization: Organization, by: Account, *, held: bool) -> Organization:
    check_admin(by)
    async with panel.transaction() as conn:
        # Billing must not change the suspension between the two reads, which decide whether the apps must follow.
        await wallets.lock(conn, organization.id)
        before = await organizations.get(conn, organization.id)
        if before.held == held:
            return before
        await organizations.set_held(conn, organization.id, held=held)
        action = AuditAction.ORGANIZATION_SUSPEND if held else AuditAction.ORGANIZATION_RESUME
        await audit.record(conn, action, by, organization=before, reason=Suspension.HELD)
        after = await organizations.get(conn, organization.id)
    log.info("%s: an administrator %s", after.name, "suspended it, its apps stop" if held else "resumed it")
    if (before.suspension is None) != (after.suspension is None):
        await follow(panel, after, (STOPPED if held else STARTED).format(organization=after.name))
    return after


async def _converge(panel: Panel, app: App, line: str) -> None:
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        app = await apps.get(conn, app.id)
        if app.current_release_id is None:
            return
        await rollouts.add(conn, app.id, app.current_release_id, RolloutReason.SCALE)
    await panel.logs.write(app, line)
