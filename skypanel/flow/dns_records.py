"""TXT records that the panel writes to DNS, to prove names to a CA (DNS-01).

What is published is stored before, and forgotten after it was removed: a worker that is killed at any moment leaves no record for good.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account
from skypanel.domain.certificate import Order, has_public_names, pause
from skypanel.domain.dns import Fault, RecordType, reason
from skypanel.domain.dns_updates import absent_at, access_of, challenge_name
from skypanel.domain.domains import WILDCARD, delegation_problem
from skypanel.domain.errors import Invalid, Unavailable
from skypanel.flow import lookups
from skypanel.flow.configured import values
from skypanel.ports.dns import DnsRecords
from skypanel.ports.panel import Panel
from skypanel.store import dns_records, domains

# How long a removal may take before another worker tries it.
CLAIM = timedelta(seconds=60)
# Failed removals, the last ones a day apart: nobody corrects the access any more.
MAX_FAILURES = 30
# How long a test waits for the name servers; an order does so for an hour.
TEST_S = 15.0
LOOK_PAUSE_S = 1.0

log = logging.getLogger(__name__)


async def configured(panel: Panel) -> DnsRecords | None:
    """Return what writes records, or None if nothing does."""
    async with panel.autocommit() as conn:
        return chosen(panel, await values(conn, panel.cipher))


def chosen(panel: Panel, settings: Mapping[str, object]) -> DnsRecords | None:
    """Return what writes records by these settings, or None if nothing does."""
    access = access_of(settings)
    return panel.open_records(access) if access else None


async def place(panel: Panel, name: str) -> str:
    """Return the name of the TXT record that proves a name to a CA: where the CA looks, or where a CNAME record there leads.

    Raises Invalid if that leads in a circle.
    """
    challenge = challenge_name(name)
    async with panel.autocommit() as conn:
        resolvers = await lookups.resolvers(conn)
    look_up = partial(lookups.look_up, panel, kind=RecordType.TXT, at=resolvers)
    found, beside = await look_up(challenge), await look_up(f"{WILDCARD}{name.removeprefix(WILDCARD)}")
    if found.fault is Fault.LOOP:
        raise Invalid(reason(challenge, RecordType.TXT, found))
    # A wildcard's own CNAME record answers for the name as well, until there is a record of its own.
    return challenge if not found.aliases or found.aliases == beside.aliases else found.aliases[-1]


async def place_of_app(panel: Panel, order: Order) -> str:
    """Return the name of the TXT record that proves an app's wildcard to a CA: below the panel's domain.

    A CNAME record of the domain's owner leads there. Raises Invalid if none does: no user chooses where the panel writes.
    """
    async with panel.autocommit() as conn:
        resolvers = await lookups.resolvers(conn)
        domain = next((each for each in await domains.holders(conn, [order.name]) if each.app_id == order.app_id), None)
    if domain is None:
        raise Invalid(f"{order.name} is no domain of the app any more.")
    found = await lookups.look_up(panel, domain.acme_challenge, RecordType.TXT, at=resolvers)
    if problem := delegation_problem(domain, found, panel.address.domain):
        raise Invalid(problem)
    return found.aliases[-1]


async def publish(panel: Panel, order: Order) -> str:
    """Publish the record that proves an order's name. Returns a problem in words; it is empty if there is none."""
    async with panel.autocommit() as conn:
        name = await dns_records.of(conn, order)
    records = await configured(panel)
    if name is None or records is None:
        return "The settings of DNS were changed during the order."
    try:
        await records.publish(name, order.proof)
    except Unavailable as error:
        return f"{error.message} {error.hint}".strip()
    return ""


async def lag(panel: Panel, order: Order) -> str:
    """Return what the name servers still lack for an order, in words; empty if all have it."""
    async with panel.autocommit() as conn:
        name = await dns_records.of(conn, order)
    return await _lag(panel, name, order.proof) if name else "The record of the order is gone."


async def _lag(panel: Panel, name: str, value: str) -> str:
    async with panel.autocommit() as conn:
        resolvers = await lookups.resolvers(conn)
    answers = await panel.dns.look_up_each(name, RecordType.TXT, resolvers, timeout_s=lookups.LOOKUP_S)
    absent = absent_at(answers, value)
    if absent is None:
        return ""
    if absent.fault is None:
        return f"Not all name servers of {name} have the new TXT record yet."
    return reason(name, RecordType.TXT, absent)


async def sweep(panel: Panel, records: DnsRecords) -> None:
    """Remove the records that no order needs any more. Idempotent."""
    while True:
        async with panel.transaction() as conn:
            record = await dns_records.claim(conn, panel.clock.now(), CLAIM)
        if record is None:
            return
        try:
            await records.remove(record.name, record.value)
        except Unavailable as error:
            log.warning("the TXT record at %s is not removed: %s", record.name, error.message)
            if record.failures < MAX_FAILURES:
                async with panel.transaction() as conn:
                    await dns_records.fail(conn, record, panel.clock.now() + pause(record.failures + 1))
                continue
        async with panel.transaction() as conn:
            await dns_records.remove(conn, record.name, record.value)


async def try_out(panel: Panel, by: Account) -> str:
    """Publish a record where a certificate for the panel's domain needs it, look for it, and remove it. Returns its name.

    Raises Denied; Invalid if nothing is set, and Unavailable with the reason.
    """
    check_admin(by)
    records = await configured(panel)
    if records is None:
        raise Invalid("The panel writes no records to DNS.", "Set dns_updates and what belongs to it, and save.")
    domain = panel.address.domain
    if not has_public_names(domain):
        raise Invalid(f"{domain} is in no public DNS.", "Run the panel with a domain of its own: SKYPANEL_DOMAIN=apps.example.com")
    name, value = await place(panel, domain), f"skypanel-test-{secrets.token_hex(16)}"
    async with panel.transaction() as conn:
        await dns_records.add(conn, name, value, order_name="", until=panel.clock.now() + CLAIM)
    await records.publish(name, value)
    behind = await _wait(panel, name, value)
    await records.remove(name, value)
    async with panel.transaction() as conn:
        await dns_records.remove(conn, name, value)
    if behind:
        raise Unavailable(f"A record was written, but within {TEST_S:g} s: {behind}", "Orders wait for an hour. Check the zone's servers.")
    return name


async def _wait(panel: Panel, name: str, value: str) -> str:
    """Return what the name servers still lack after TEST_S, or an empty text as soon as they lack nothing."""
    behind = ""
    try:
        async with asyncio.timeout(TEST_S):
            while True:
                behind = await _lag(panel, name, value)
                if not behind:
                    return ""
                await asyncio.sleep(LOOK_PAUSE_S)
    except TimeoutError:
        return behind or f"the name servers of {name} do not answer."
