"""Domains of apps: adding, checking and removing them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.certificate import has_public_names
from skypanel.domain.domains import WILDCARD, Domain, Record, records, wildcard_of
from skypanel.domain.errors import Conflict, Invalid, NotFound
from skypanel.domain.names import printable
from skypanel.flow import audit, dns_records, domain_checks, domain_names, route
from skypanel.flow.configured import value
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import apps, domains, locks

MAX_DOMAINS = 250
TOKEN_BYTES = 16


async def listed(panel: Panel, app: App) -> Sequence[Domain]:
    """Return an app's domains, in order of name."""
    async with panel.autocommit() as conn:
        return await domains.of(conn, app.id)


async def find(panel: Panel, app: App, text: str) -> Domain:
    """Return an app's domain by its name, in any script, or by its id. Raises NotFound."""
    async with panel.autocommit() as conn:
        for name in dict.fromkeys((text, domain_names.ascii_or(text))):
            try:
                return await domains.find(conn, app.id, name)
            except NotFound:
                continue
    raise NotFound(f"{app.name} has no domain {printable(text)}.", f"Run `skypanel domains list {app.name}` to list its domains.")


async def add(panel: Panel, app: App, text: str, by: Account) -> Domain:
    """Claim a domain for an app. It leads there once its TXT record is found.

    Raises Invalid for what nobody may claim. Raises Conflict if the app or another one of its organization has the name already, or if the
    app has too many.
    """
    name = domain_names.read(text, panel.address.domain)
    if name.startswith(WILDCARD) and not await _may_have_wildcards(panel):
        raise Invalid(
            f"{domain_names.shown(name)} cannot be had: this panel has no access to DNS, by which wildcards are proved (DNS-01).",
            "Add each name, or ask an administrator to set dns_updates.",
        )
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        await _check_free(conn, app, name)
        domain = await domains.add(conn, app.id, name, secrets.token_hex(TOKEN_BYTES), account_id=by.id, at=panel.clock.now())
        await audit.record(conn, AuditAction.DOMAIN_ADD, by, app, domain=name)
    return domain


async def check(panel: Panel, app: App, domain: Domain, by: Account) -> Domain:
    """Check a domain now, and return what it is afterwards. Checks then go on for three days. Raises NotFound if it is gone."""
    now = panel.clock.now()
    async with panel.transaction() as conn:
        claimed = await domains.claim_one(conn, domain.id, now, now + domain_checks.CLAIM)
        await audit.record(conn, AuditAction.DOMAIN_CHECK, by, app, domain=domain.name)
    await domain_checks.check(panel, [claimed], now + domain_checks.CLAIM)
    return await find(panel, app, str(domain.id))


async def remove(panel: Panel, app: App, domain: Domain, by: Account) -> None:
    """Remove a domain from an app, and with it its route. Raises NotFound if it is gone."""
    async with panel.transaction() as conn:
        await locks.hold(conn, "domains")
        await apps.lock(conn, app.id)
        if not await domains.remove(conn, domain.id):
            raise NotFound(f"{app.name} has no domain {domain.name}.")
        await audit.record(conn, AuditAction.DOMAIN_REMOVE, by, app, domain=domain.name)
        await route.follow_hosts(conn, panel.address, await apps.get(conn, app.id))
    await domain_checks.confirm(panel, app)


async def app_at(panel: Panel, host: str) -> App | None:
    """Return the app that a hostname belongs to, or None, without a check of access. The proxy takes names with the root's dot, too."""
    if not host.isascii():
        return None
    host = host.removesuffix(".")
    name = host.removesuffix(f".{panel.address.domain}")
    async with panel.autocommit() as conn:
        if name != host:
            return await apps.by_name(conn, name)
        names = (host, wildcard_of(host))
        found = sorted(await domains.holders(conn, names), key=lambda domain: names.index(domain.name))
        return await apps.get(conn, found[0].app_id) if found else None


async def addresses(panel: Panel) -> Sequence[str]:
    """Return the addresses that an A or AAAA record can have, if an administrator has set any."""
    async with panel.autocommit() as conn:
        chosen = str(await value(conn, "public_addresses")).split(",")
    return tuple(text for text in chosen if text and ip_network(text).num_addresses == 1)


async def _may_have_wildcards(panel: Panel) -> bool:
    """Whether the panel can write the records that prove wildcards, at names that a CA finds."""
    return has_public_names(panel.address.domain) and await dns_records.configured(panel) is not None


async def _check_free(conn: Connection, app: App, name: str) -> None:
    if await domains.count(conn, app.id) >= MAX_DOMAINS:
        raise Conflict(f"{app.name} has {MAX_DOMAINS} domains, which is the most.", "Remove one first.")
    for holder in await domains.holders(conn, [name]):
        other = await apps.get(conn, holder.app_id)
        if other.organization_id == app.organization_id and other.id != app.id:
            raise Conflict(f"{name} is a domain of {other.name} already.", "Remove it there first.")


@dataclass(frozen=True)
class Guide:
    """A domain, its name in its own script, and the records to set for it."""

    domain: Domain
    shown: str
    records: Sequence[Record]


async def guides(panel: Panel, app: App, found: Sequence[Domain]) -> Sequence[Guide]:
    """Return what to set for each of an app's domains."""
    own, target = await addresses(panel) if found else (), panel.address.host(app.name)
    return [
        Guide(
            each,
            domain_names.shown(each.name),
            records(each, target, own, panel.address.domain, is_apex=domain_names.is_apex(each.name)),
        )
        for each in found
    ]
