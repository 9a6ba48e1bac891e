"""Certificates: which names want one, orders at the certificate authority step by step, renewals, and what users see of it.

The steps of an order are WAITING, ORDERED, ANSWERED and FINALIZED; an order for a wildcard is PUBLISHED before it is ANSWERED. A worker
may end between any two statements. What must not happen twice is stored before the CA hears of it; the rest is asked again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address

from skypanel.domain.audit import AuditAction
from skypanel.domain.certificate import (
    DIRECTORIES,
    LETS_ENCRYPT_STAGING,
    MAX_PROBLEM,
    ORDER_LIFE,
    POLL_PAUSE,
    RENEWAL_CHECK,
    AcmeAccount,
    AcmeOrder,
    Authority,
    AuthorityError,
    Certificate,
    CertificateState,
    ChallengeKind,
    KeyPair,
    NameCertificate,
    Order,
    Source,
    Status,
    Step,
    authority_of,
    has_public_names,
    pause,
    renewal,
    state_of,
    two_thirds,
)
from skypanel.domain.domains import WILDCARD, covers
from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AcmeAccountId, AppId, CertificateId
from skypanel.domain.internet import is_public
from skypanel.domain.routing import Address
from skypanel.domain.uploaded_certificates import UploadedCertificate, is_served
from skypanel.flow import audit, dns_records, lease, lookups
from skypanel.flow.configured import value, values
from skypanel.flow.drain import drain
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import acme_orders, apps, certificate_looks, certificates, domains
from skypanel.store import dns_records as stored_records
from skypanel.store.acme_orders import Wanting

AT_ONCE = 8
CHECKS_AT_ONCE = 20
# A certificate that expired so long ago helps nobody who looks for a reason.
KEPT_EXPIRED = timedelta(days=7)
# The CA asks the proxies, which have the answer once they have polled the panel.
PROXIES_POLL = timedelta(seconds=1)
# What changes is looked at within seconds. This is for what no trigger saw.
FULL_LOOK = timedelta(hours=1)
LOOKS_AT_ONCE = 1000
PLAN_EVERY_S = 1.0
SPREAD_PAUSE = timedelta(seconds=2)
LEASE_S = lease.LEASE_S

log = logging.getLogger(__name__)

# An order that goes on at once, or how long it has to wait; None if it is done.
Then = Order | timedelta | None


class _Failed(Exception):
    """An order ended without a certificate. The message is the reason; the next attempt begins with a new order."""


class _Limited(Exception):
    """An organization has ordered as many certificates as it may, until a time."""

    def __init__(self, limit: int, until: datetime) -> None:
        super().__init__(f"The organization has ordered {limit} certificates within 3 hours, and may order the next at {until:%H:%M} UTC.")
        self.until = until


async def work(panel: Panel, _worker: str) -> None:
    """Order what is missing, take all orders that are due some steps on, and ask when to renew. Idempotent."""
    async with panel.autocommit() as conn:
        settings = await values(conn, panel.cipher)
    authority, records = authority_of(settings), dns_records.chosen(panel, settings)
    if authority is not None:
        await _perform_all(panel, authority, by_dns=records is not None)
        await _check_renewals(panel, authority)
    if records is not None:
        await dns_records.sweep(panel, records)


async def _perform_all(panel: Panel, authority: Authority, *, by_dns: bool) -> None:
    clock, plan_at = asyncio.get_running_loop().time, 0.0

    async def claim() -> Order | None:
        nonlocal plan_at
        if clock() >= plan_at:
            # Many orders take minutes, and a name that is new meanwhile does not wait for them.
            await _plan(panel, authority, by_dns=by_dns)
            plan_at = clock() + PLAN_EVERY_S
        async with panel.transaction() as conn:
            return await acme_orders.claim(conn, panel.clock.now(), LEASE_S)

    await drain(claim, partial(_perform, panel, authority), AT_ONCE)


async def states(panel: Panel, names: Sequence[str]) -> Mapping[str, NameCertificate]:
    """Return the state of each name's certificate."""
    now = panel.clock.now()
    async with panel.autocommit() as conn:
        found, orders = await certificates.for_names(conn, names), {each.name: each for each in await acme_orders.of(conn, names)}
        served = {each.id for each in await _served(conn, panel)} if any(each.source is Source.UPLOADED for each in found) else set()

    def state(name: str) -> NameCertificate:
        covering = [each for each in found if covers(each.facts.names, name) and (each.source is Source.ACME or each.id in served)]
        best = min(covering, key=partial(_precedence, name, now), default=None)
        until, renew_at = (best.facts.not_after, best.renew_at) if best else (None, None)
        order = orders.get(name)
        problem = order.problem if order else ""
        next_attempt_at = order.next_attempt_at if order and problem else None
        reached = state_of(until, renew_at, problem, now, ordered=order is not None)
        return NameCertificate(reached, until, problem, next_attempt_at, best)

    return {name: state(name) for name in names}


def _precedence(name: str, now: datetime, certificate: Certificate) -> tuple[bool, bool, bool]:
    """Return the place of a certificate among those for a name: the proxies show the first."""
    return certificate.facts.not_after <= now, name not in certificate.facts.names, certificate.source is Source.ACME


async def _served(conn: Connection, panel: Panel) -> Sequence[UploadedCertificate]:
    """Return the uploaded certificates that the proxies may show while they are valid."""
    uploads = await certificates.uploads(conn)
    holders = await domains.covered(conn, sorted({name for each in uploads for name in each.names})) if uploads else ()
    return [each for each in uploads if is_served(each, holders, panel.address.domain)]


@dataclass
class Served:
    """What the proxies have of certificates. Keys are kept decrypted, so that a change costs no more than what has changed.

    `proving` are the names that a CA may ask for now.
    """

    pairs: dict[CertificateId, KeyPair] = field(default_factory=dict)
    versions: dict[CertificateId, datetime] = field(default_factory=dict)
    proving: Sequence[str] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names that have a certificate which browsers trust."""
        return frozenset(name for pair in self.pairs.values() if pair.is_for_browsers for name in pair.names)


async def refresh(panel: Panel, served: Served) -> bool:
    """Bring what the proxies have up to date, and return whether they get other certificates."""
    async with panel.autocommit() as conn:
        new, valid = await certificates.valid(conn, panel.clock.now(), served.versions, await _served(conn, panel))
        served.proving = await acme_orders.proving(conn)
    for each in new:
        is_for_browsers = each.directory != LETS_ENCRYPT_STAGING
        served.pairs[each.id] = KeyPair(each.names, each.chain, panel.cipher.decrypt(each.secret), is_for_browsers)
        served.versions[each.id] = each.updated_at
    expired = served.versions.keys() - valid
    for gone in expired:
        del served.pairs[gone], served.versions[gone]
    return bool(new or expired)


async def proof(panel: Panel, name: str, token: str) -> str | None:
    """Return what a CA has to find at a name for the token of its challenge, or None. It is no secret."""
    async with panel.autocommit() as conn:
        return await acme_orders.proof(conn, name, token)


def panel_names(address: Address) -> tuple[str, ...]:
    """Return the panel's own names that want a certificate."""
    return (address.host("skypanel"), *address.api_hosts) if has_public_names(address.domain) else ()


async def _plan(panel: Panel, authority: Authority, *, by_dns: bool) -> None:
    """Add orders for names without a certificate and for renewals. Remove those for names that are gone.

    Only names where something changed, or is due, are looked at; all are from time to time. By DNS, a wildcard replaces the names below the
    panel's domain, unless it cannot be had.
    """
    own, now = panel_names(panel.address), panel.clock.now()
    domain = panel.address.domain if own else ""
    if by_dns and own:
        wildcard = f"{WILDCARD}{domain}"
        is_missed = (await states(panel, [wildcard]))[wildcard].state is CertificateState.FAILED
        own, domain = ((wildcard, *own), domain) if is_missed else ((wildcard, domain), "")
    wanting = Wanting(own, domain, authority.directory, by_dns=by_dns)
    async with panel.transaction() as conn:
        if await certificate_looks.begin_full(conn, repr(wanting), now, now - FULL_LOOK):
            await certificates.forget_expired(conn, now - KEPT_EXPIRED)
            await acme_orders.forget(conn, now)
            await _look(panel, conn, wanting, None)
        elif taken := await certificate_looks.take(conn, now, LOOKS_AT_ONCE):
            names = [name if "." in name else f"{name}.{wanting.domain}" for name in taken]
            await _look(panel, conn, wanting, await _with_shared(conn, names))


async def _with_shared(conn: Connection, names: Collection[str]) -> Collection[str]:
    """Return names, and those that share an uploaded certificate with them: it may be served no more, or again."""
    uploads = await certificates.uploads(conn)
    shared = (each.names for each in uploads if any(covers(each.names, name) for name in names))
    return {*names, *(name for found in shared for name in found)}


async def _look(panel: Panel, conn: Connection, wanting: Wanting, names: Collection[str] | None) -> None:
    """Look at names, or at all."""
    now = panel.clock.now()
    await acme_orders.remove_unwanted(conn, wanting, names)
    served = [each.id for each in await _served(conn, panel)]
    missing = await acme_orders.missing(conn, wanting, now, among_=names, served=served)
    for name, app_id in missing:
        await acme_orders.add(conn, name, app_id, panel.cipher.encrypt(panel.certificates.make_key()), now)
    await certificate_looks.arm(conn, names, now)


async def _perform(panel: Panel, authority: Authority, order: Order) -> None:
    try:
        async with lease.held(partial(_renew_lease, panel, order)):
            await _go_on(panel, authority, order)
    except lease.LeaseLost as lost:
        log.warning("the order for %s: attempt %d lost its lease", order.name, order.attempt, exc_info=lost.__cause__)


async def _renew_lease(panel: Panel, order: Order) -> bool:
    async with panel.transaction() as conn:
        return await acme_orders.renew_lease(conn, order, LEASE_S)


async def _go_on(panel: Panel, authority: Authority, order: Order) -> None:
    """Take an order on until it has to wait, and store for how long, or why it failed."""
    try:
        while isinstance(then := await STEPS[order.step](panel, authority, order), Order):
            order = then
    except AuthorityError as error:
        await _fail(panel, order, str(error), error.retry_after, anew=bool(error.code) and error.code not in _PASSING)
    except (_Failed, Invalid) as failed:
        await _fail(panel, order, str(failed), None, anew=True)
    except _Limited as limited:
        async with panel.transaction() as conn:
            await acme_orders.put_off_organization(conn, order, str(limited), limited.until)
    else:
        if then is not None:
            async with panel.transaction() as conn:
                await acme_orders.put_off(conn, order, panel.clock.now() + then)


async def _fail(panel: Panel, order: Order, problem: str, retry_after: timedelta | None, *, anew: bool) -> None:
    until = panel.clock.now() + pause(order.failures + 1, retry_after)
    log.warning("no certificate for %s: %s", order.name, problem)
    async with panel.transaction() as conn:
        await acme_orders.fail(conn, order, problem[:MAX_PROBLEM], until, anew=anew or _is_old(panel, order))


def _is_old(panel: Panel, order: Order) -> bool:
    return order.started_at is not None and panel.clock.now() - order.started_at > ORDER_LIFE


async def _order(panel: Panel, authority: Authority, order: Order) -> Then:
    """Order the certificate, and store the challenge that the proxies answer from then on."""
    await _check_own_name(panel, authority, order.name)
    account_id, account = await _account(panel, authority)
    if order.app_id is not None:
        await _check_limit(panel, order.app_id)
    try:
        made = await panel.authority.order(account, _request(panel, order))
    except AuthorityError as error:
        if error.code == "accountDoesNotExist":
            async with panel.transaction() as conn:
                await acme_orders.remove_account(conn, account_id)
        raise
    known = {"account_id": account_id, "url": made.url, "finalize_url": made.finalize_url, "started_at": panel.clock.now()}
    if made.status is not Status.PENDING:
        # The CA remembers that the name was proved.
        return await _advance(panel, order, Step.ANSWERED, **known)
    found = [each for authorization in made.authorizations for each in authorization.challenges if each.kind is order.kind]
    if not found:
        raise _Failed(f"The certificate authority offers no {order.kind.upper()} challenge for this name.")
    challenge = {"challenge_url": found[0].url, "token": found[0].token, "proof": found[0].proof}
    record = await _record(panel, order) if order.kind is ChallengeKind.DNS else None
    advanced = await _advance(panel, order, Step.ORDERED, record, **known, **challenge)
    return advanced if record else PROXIES_POLL


async def _record(panel: Panel, order: Order) -> str:
    """Return the name of the TXT record that proves an order's name. Raises Invalid if it cannot be anywhere."""
    return await (dns_records.place_of_app(panel, order) if order.app_id else dns_records.place(panel, order.name))


async def _check_limit(panel: Panel, app_id: AppId) -> None:
    """Count an order for an app's organization. Raises _Limited: no organization uses up what a CA allows the panel."""
    async with panel.transaction() as conn:
        limit = int(await value(conn, "certificates_per_organization"))
        until = await acme_orders.request(conn, app_id, panel.clock.now(), limit)
    if until is not None:
        raise _Limited(limit, until)


async def _check_own_name(panel: Panel, authority: Authority, name: str) -> None:
    """Refuse to order a certificate for a name below the panel's domain that a CA cannot reach. Domains of apps were checked before.

    Raises _Failed. Addresses of private networks are fine for a CA of one's own.
    """
    if not f".{name}".endswith(f".{panel.address.domain}") or name.startswith(WILDCARD):
        return
    async with panel.autocommit() as conn:
        resolvers = await lookups.resolvers(conn)
    addresses = [ip_address(each) for each in await lookups.addresses(panel, name, resolvers)]
    if not addresses:
        raise _Failed(f"{name} has no A or AAAA record that leads to this panel. Set one for *.{panel.address.domain}.")
    if authority.directory in DIRECTORIES.values() and not any(map(is_public, addresses)):
        raise _Failed(f"{name} leads to {addresses[0]}, which is a private address. Let's Encrypt cannot reach it.")


async def _publish(panel: Panel, authority: Authority, order: Order) -> Then:
    """Let DNS have the proof of a name, if it has to be there."""
    if order.kind is ChallengeKind.HTTP:
        return await _answer(panel, authority, order)
    if problem := await dns_records.publish(panel, order):
        raise _Failed(problem)
    return await _advance(panel, order, Step.PUBLISHED)


async def _answer_once_spread(panel: Panel, authority: Authority, order: Order) -> Then:
    """Tell the CA as soon as all name servers have the proof: it asks any of them, once."""
    lag = await dns_records.lag(panel, order)
    if not lag:
        return await _answer(panel, authority, order)
    if _is_old(panel, order):
        raise _Failed(lag)
    return SPREAD_PAUSE


async def _answer(panel: Panel, authority: Authority, order: Order) -> Then:
    """Tell the CA that it finds the proof."""
    account = await _account_of(panel, authority, order)
    await panel.authority.answer(account, order.challenge_url)
    return await _advance(panel, order, Step.ANSWERED)


async def _finalize(panel: Panel, authority: Authority, order: Order) -> Then:
    """Ask for the certificate once the CA has checked the challenge."""
    account = await _account_of(panel, authority, order)
    found = await panel.authority.look_up(account, order.url)
    if found.status is Status.READY:
        await panel.authority.finalize(account, order.finalize_url, _request(panel, order))
    return _wait(panel, order, found) or await _advance(panel, order, Step.FINALIZED)


async def _fetch(panel: Panel, authority: Authority, order: Order) -> Then:
    """Store the certificate once the CA has signed it."""
    account = await _account_of(panel, authority, order)
    found = await panel.authority.look_up(account, order.url)
    if found.status is Status.READY:
        # The worker ended before the CA heard of the request, or the CA forgot it.
        await panel.authority.finalize(account, order.finalize_url, _request(panel, order))
        return POLL_PAUSE
    if found.status is not Status.VALID:
        return _wait(panel, order, found) or found.retry_after or POLL_PAUSE
    await _store(panel, authority, order, await panel.authority.fetch(account, found.certificate_url))
    return None


def _wait(panel: Panel, order: Order, found: AcmeOrder) -> timedelta | None:
    """Return how long to wait for the CA's check, or None if it is done. Raises _Failed with the CA's reason."""
    if found.status is Status.INVALID:
        said = (each.problem for authorization in found.authorizations for each in authorization.challenges)
        raise _Failed(next(filter(None, (*said, found.problem)), "The certificate authority refused the order and gave no reason."))
    if found.status is not Status.PENDING:
        return None
    if _is_old(panel, order):
        raise _Failed("The certificate authority did not check the name within an hour.")
    return found.retry_after or POLL_PAUSE


async def _store(panel: Panel, authority: Authority, order: Order, chain: str) -> None:
    facts = panel.certificates.read(chain, panel.cipher.decrypt(order.secret))
    if not covers(facts.names, order.name):
        raise _Failed(f"The certificate authority issued a certificate for {', '.join(facts.names)} instead.")
    async with panel.transaction() as conn:
        if not await acme_orders.finish(conn, order):
            return
        await certificates.put_issued(conn, order, chain, facts, directory=authority.directory, renew_at=two_thirds(facts))
        app = await apps.get(conn, order.app_id) if order.app_id else None
        until = facts.not_after.isoformat()
        await audit.record(conn, AuditAction.CERTIFICATE_ISSUE, None, app, domain=order.name, issuer=facts.issuer, until=until)


async def _advance(panel: Panel, order: Order, step: Step, record: str | None = None, /, **stored: object) -> Order:
    """Store that an order has reached a step, and the name of the record that the next step publishes."""
    async with panel.transaction() as conn:
        advanced = await acme_orders.advance(conn, order, step, **stored)
        if advanced and record:
            await stored_records.add(conn, record, advanced.proof, order_name=order.name, until=panel.clock.now())
    if advanced is None:
        raise lease.LeaseLost
    return advanced


def _request(panel: Panel, order: Order) -> str:
    return panel.certificates.request(panel.cipher.decrypt(order.secret), [order.name])


async def _account(panel: Panel, authority: Authority) -> tuple[AcmeAccountId, AcmeAccount]:
    """Return the panel's account at the CA. Its key is stored before the CA hears of it, so that there is only one."""
    async with panel.transaction() as conn:
        known = await acme_orders.account(conn, authority.directory, authority.eab_kid)
    if known is None:
        secret = panel.cipher.encrypt(panel.certificates.make_key())
        async with panel.transaction() as conn:
            await acme_orders.add_account(conn, authority.directory, authority.eab_kid, secret)
        return await _account(panel, authority)
    key = panel.cipher.decrypt(known.secret)
    url = known.url or await panel.authority.register(authority, key)
    if known.url is None:
        async with panel.transaction() as conn:
            await acme_orders.set_account_url(conn, known.id, url)
    return known.id, AcmeAccount(authority, key, url)


async def _account_of(panel: Panel, authority: Authority, order: Order) -> AcmeAccount:
    """Return the account that made an order. Raises _Failed if the settings name another CA by now."""
    account_id, account = await _account(panel, authority)
    if account_id != order.account_id:
        raise _Failed("The certificate authority was changed during the order.")
    return account


async def _check_renewals(panel: Panel, authority: Authority) -> None:
    now = panel.clock.now()
    async with panel.autocommit() as conn:
        due = await certificates.due_checks(conn, authority.directory, now, CHECKS_AT_ONCE)
    for certificate in due:
        await _check_renewal(panel, authority, certificate)


async def _check_renewal(panel: Panel, authority: Authority, certificate: Certificate) -> None:
    """Ask the CA when to renew a certificate. If it does not answer, what was known holds."""
    now = panel.clock.now()
    try:
        info = await panel.authority.renewal_info(authority, certificate.chain)
    except AuthorityError as error:
        log.warning("%s", error)
        renew_at, check_at = certificate.renew_at or two_thirds(certificate.facts), now + (error.retry_after or RENEWAL_CHECK)
    else:
        renew_at = renewal(certificate.facts, info)
        check_at = now + (info.check_after if info else RENEWAL_CHECK)
    async with panel.transaction() as conn:
        await certificates.set_renewal(conn, certificate, renew_at, check_at)


# Problems that pass by themselves: the same order goes on.
_PASSING = frozenset({"rateLimited", "serverInternal", "badNonce"})

STEPS: Mapping[Step, Callable[[Panel, Authority, Order], Awaitable[Then]]] = {
    Step.WAITING: _order,
    Step.ORDERED: _publish,
    Step.PUBLISHED: _answer_once_spread,
    Step.ANSWERED: _finalize,
    Step.FINALIZED: _fetch,
}
