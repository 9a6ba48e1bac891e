"""Checks of domains: what DNS says of them, and what follows from that.

Whoever proves a name has it. Two claims to one name have the same TXT record, so one look tells who has proved it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_network

from skypanel.domain import mails
from skypanel.domain.access import Role
from skypanel.domain.alert import AlertKind, Problem
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.dns import Lookup, RecordType, Server
from skypanel.domain.domains import RESERVED, Domain, Findings, checked, is_warned, judged, proves
from skypanel.domain.errors import Unavailable
from skypanel.domain.internet import Network, read_networks
from skypanel.domain.notification import Notification
from skypanel.flow import audit, lookups, notifications, route
from skypanel.flow.configured import value
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import alerts, apps, domains, locks, organizations
from skypanel.tasks import together

# A check that its worker did not finish is due again after this time.
CLAIM = timedelta(seconds=60)
BATCH = 100
AT_ONCE = 25

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What all checks of a pass have in common: the resolvers, and the addresses of the panel."""

    resolvers: Sequence[Server]
    own: Sequence[Network]


@dataclass(frozen=True)
class Result:
    """A domain before and after a check, and the TXT records that the check found."""

    before: Domain
    after: Domain
    texts: Lookup

    @property
    def has_moved(self) -> bool:
        """Whether the domain is to become its app's, or to be so no more."""
        return self.before.is_verified != self.after.is_verified


async def check_due(panel: Panel, is_over: Callable[[], bool]) -> None:
    """Check the domains that are due, a batch at a time, until there are no more or `is_over`."""
    while not is_over():
        now = panel.clock.now()
        async with panel.transaction() as conn:
            due = await domains.claim(conn, now, now + CLAIM, BATCH)
        if due:
            await check(panel, due, now + CLAIM)
        if len(due) < BATCH:
            return


async def check(panel: Panel, claimed: Sequence[Domain], claimed_until: datetime) -> None:
    """Check domains that were claimed together, and record what was found. What is proved is routed at once."""
    around = await _surroundings(panel)
    slots, turn = asyncio.Semaphore(AT_ONCE), asyncio.Lock()

    async def check_one(domain: Domain) -> Result:
        async with slots:
            result = await _look(panel, around, domain)
        if result.has_moved:
            async with turn:
                apps_changed = await _move(panel, result, claimed_until)
            for app in apps_changed:
                await confirm(panel, app)
        return result

    results = await together(*map(check_one, claimed))
    await _record(panel, [each for each in results if not each.has_moved], claimed_until)


async def _surroundings(panel: Panel) -> Surroundings:
    async with panel.autocommit() as conn:
        resolvers = await lookups.resolvers(conn)
        own = read_networks(str(await value(conn, "public_addresses")))
    return Surroundings(resolvers, own or await _addresses(panel, resolvers))


async def _addresses(panel: Panel, resolvers: Sequence[Server]) -> Sequence[Network]:
    """Return where the dashboard's hostname leads. One that is reserved is in no DNS."""
    if panel.address.domain.rpartition(".")[2] in RESERVED:
        return ()
    return tuple(map(ip_network, await lookups.addresses(panel, panel.address.host("skypanel"), resolvers)))


async def _look(panel: Panel, around: Surroundings, domain: Domain) -> Result:
    ask = partial(lookups.look_up, panel, at=around.resolvers)
    texts, v4, v6, *delegation = await together(
        ask(domain.challenge, RecordType.TXT),
        ask(domain.name, RecordType.A),
        ask(domain.name, RecordType.AAAA),
        *([ask(domain.acme_challenge, RecordType.TXT)] if domain.is_wildcard else []),
    )
    findings = Findings(texts, (v4, v6), next(iter(delegation), None))
    found = checked(domain, findings, panel.address.domain, around.own)
    return Result(domain, judged(domain, found, panel.clock.now()), texts)


async def _record(panel: Panel, results: Sequence[Result], claimed_until: datetime) -> None:
    """Record checks that change no route."""
    if not results:
        return
    warned = [each.after for each in results if is_warned(each.after)]
    found_again = [each.after for each in results if each.before.lost_at and not each.after.lost_at]
    at = {domain.id: domain.checked_at for domain in warned}
    async with panel.transaction() as conn:
        await domains.put_checks(conn, claimed_until, [replace(r.after, warned_at=at.get(r.after.id, r.after.warned_at)) for r in results])
        for domain in warned:
            await _warn(panel, conn, domain)
        for domain in found_again:
            await alerts.resolve(conn, AlertKind.DOMAIN_LOST, domain.name)


async def _warn(panel: Panel, conn: Connection, domain: Domain) -> None:
    """Raise an alert, and write to those who run the organization."""
    assert domain.released_at, "a domain that is lost"  # noqa: S101 - is_warned() says so
    app, until = await apps.get(conn, domain.app_id), f"{domain.released_at:%Y-%m-%d}"
    message = f"{domain.name} of {app.name} has no proof any more, and is released on {until}. {domain.last.proof_problem}"
    await alerts.add(conn, AlertKind.DOMAIN_LOST, Problem(domain.name, message, app_id=app.id))
    told = [each.account.id for each in await organizations.members(conn, app.organization_id) if each.role >= Role.ADMIN]
    written = partial(mails.domain_lost, name=domain.name, record=domain.challenge, token=domain.token, until=until)
    await notifications.send(panel, conn, Notification.DOMAIN_LOST, told, written)


async def _move(panel: Panel, result: Result, claimed_until: datetime) -> Collection[App]:
    """Give a name that was proved to its app, or take from it one that is proved no more. Returns the apps whose hostnames may change."""
    async with panel.transaction() as conn:
        # One at a time in the panel, so that no other claim to the name is proved meanwhile.
        await locks.hold(conn, "domains")
        rival = next(iter(await domains.holders(conn, [result.after.name])), None) if result.after.is_verified else None
        app_ids = {result.before.app_id, *([rival.app_id] if rival else ())}
        for each in sorted(app_ids):
            await apps.lock(conn, each)
        if not await domains.still_claimed(conn, claimed_until, result.before.id):
            return ()
        after = _settled(result, rival)
        owners = {app.id: app for app in await apps.by_ids(conn, app_ids)}
        if rival is not None and after.is_verified:
            await domains.release(conn, rival.id)
            await _write_down(conn, AuditAction.DOMAIN_RELEASE, owners[rival.app_id], rival)
        await domains.put_checks(conn, claimed_until, [after])
        if after.is_verified != result.before.is_verified:
            action = AuditAction.DOMAIN_VERIFY if after.is_verified else AuditAction.DOMAIN_RELEASE
            await _write_down(conn, action, owners[after.app_id], after)
        for app in owners.values():
            await route.follow_hosts(conn, panel.address, app)
    return owners.values()


def _settled(result: Result, rival: Domain | None) -> Domain:
    """Return a domain after its check. If the TXT record of the app that has its name is there as well, it is not proved."""
    if rival is None or not proves(result.texts, rival.token):
        return result.after
    problem = f"Another app has this domain, and its TXT record is there as well. Remove {rival.token} from {rival.challenge}."
    return judged(result.before, replace(result.after.last, proof_problem=problem), result.after.checked_at or result.before.asked_at)


async def _write_down(conn: Connection, action: AuditAction, app: App, domain: Domain) -> None:
    await audit.record(conn, action, None, app, domain=domain.name)
    await alerts.resolve(conn, AlertKind.DOMAIN_LOST, domain.name)


async def confirm(panel: Panel, app: App) -> None:
    """Wait until the proxy has an app's hostnames. If it does not respond in time, it follows as soon as it can."""
    with suppress(Unavailable):
        await route.confirm(panel, app.id)
