"""Orders by DNS: what they publish, wait for and remove, on a real database."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from skypanel.domain.access import Role
from skypanel.domain.certificate import CertificateState, ChallengeKind
from skypanel.domain.dns import Fault, Lookup
from skypanel.domain.errors import Denied, Invalid, Unavailable
from skypanel.domain.routing import Address
from skypanel.flow import certificates, dns_records, settings
from skypanel.store import acme_orders
from tests.support.certificates import claim, execute, state

pytestmark = pytest.mark.req("R13.4")

DOMAIN = "apps.example.com"
WILDCARD = f"*.{DOMAIN}"
CHALLENGE = f"_acme-challenge.{DOMAIN}"
# Where the CNAME record leads of who claims a wildcard with the token `token`.
DELEGATED = f"token._acme-challenge.{DOMAIN}"
MINUTE, HOUR, DAY = 60, 3600, 86400
OLD = Lookup(("old",))
CALLS = ("order", "answer", "look_up", "finalize", "fetch")
ACCESS = {"dns_updates": "rfc2136", "rfc2136_server": "10.1.0.1", "rfc2136_key_name": "skypanel", "rfc2136_key_secret": "c2VjcmV0"}


@pytest.fixture
async def panel(stage):
    """A panel with a domain of its own and access to DNS, whose CA looks there for proofs of wildcards."""
    own = replace(stage.panel, address=Address(DOMAIN, 22, 80, 443))

    async def look(name, challenge):
        if challenge.kind is ChallengeKind.HTTP:
            return await certificates.proof(own, name, challenge.token)
        return challenge.proof if challenge.proof in records.shown(f"_acme-challenge.{name}") else None

    own.authority.prove = look
    own.dns.put(DOMAIN, "A", "8.8.8.8")
    await settings.change(own, stage.admin, ACCESS)
    records = await dns_records.configured(own)
    return own


@pytest.fixture
async def records(panel):
    return await dns_records.configured(panel)


async def work(panel, *, rounds=6):
    for _ in range(rounds):
        await certificates.work(panel, "worker")
        panel.clock.advance(2)


async def order(panel):
    """Return the order of the wildcard, as a worker has it."""
    async with panel.transaction() as conn:
        return await acme_orders.claim(conn, panel.clock.now() + timedelta(minutes=1), 20)


async def left(panel):
    async with panel.transaction() as conn:
        return await conn.all(text("SELECT * FROM paas_dns_records"))


async def test_one_wildcard_serves_all_names_below_the_panels_domain(panel, stage, records):
    await stage.app()
    await certificates.work(panel, "worker")
    assert (records.access.server.address, records.access.key_secret) == ("10.1.0.1", "c2VjcmV0")
    await work(panel)
    found = await certificates.states(panel, [WILDCARD, f"hello.{DOMAIN}", f"skypanel.{DOMAIN}"])
    assert {each.certificate.facts.names for each in found.values()} == {(WILDCARD,)}
    assert panel.authority.asked.count("order") == 2, "the wildcard, and the domain itself by HTTP"
    assert (records.shown(CHALLENGE), await left(panel)) == (set(), [])
    served = certificates.Served()
    await certificates.refresh(panel, served)
    assert WILDCARD in served.names


async def test_the_record_is_there_beside_others_until_the_certificate_is(panel, records):
    await records.publish(CHALLENGE, "of another order")
    panel.dns.lags.append(OLD)
    await certificates.work(panel, "worker")
    assert len(records.shown(CHALLENGE)) == 2
    served = certificates.Served()
    await certificates.refresh(panel, served)
    assert WILDCARD not in served.proving
    panel.dns.lags.clear()
    await work(panel)
    assert (await state(panel, WILDCARD)).state is CertificateState.ACTIVE
    assert records.shown(CHALLENGE) == {"of another order"}


@pytest.mark.parametrize("lag", [OLD, Lookup(fault=Fault.NO_RECORD, detail="at 10.1.0.2"), Lookup(fault=Fault.REFUSED)])
async def test_the_ca_is_told_once_all_name_servers_have_the_record(panel, lag):
    panel.dns.lags.append(lag)
    await work(panel)
    assert (await state(panel, WILDCARD)).state is CertificateState.ISSUING
    panel.dns.lags.clear()
    await work(panel)
    assert (await state(panel, WILDCARD)).state is CertificateState.ACTIVE


async def test_a_name_server_that_is_silent_does_not_hold_an_order_up(panel):
    panel.dns.lags.append(Lookup(fault=Fault.SILENT))
    await work(panel)
    assert (await state(panel, WILDCARD)).state is CertificateState.ACTIVE


async def test_an_order_whose_record_never_spreads_fails_after_an_hour_and_says_so(panel, records):
    panel.dns.lags.append(OLD)
    await work(panel)
    panel.clock.advance(HOUR)
    await work(panel, rounds=2)
    found = await state(panel, WILDCARD)
    assert (found.state, found.problem) == (CertificateState.FAILED, f"Not all name servers of {CHALLENGE} have the new TXT record yet.")
    assert records.shown(CHALLENGE) == set()
    panel.dns.lags[:] = [Lookup(fault=Fault.REFUSED, detail="at 10.1.0.2")]
    panel.clock.advance(MINUTE)
    await work(panel)
    panel.clock.advance(HOUR)
    await work(panel, rounds=2)
    assert "refuse to answer (REFUSED) (at 10.1.0.2)" in (await state(panel, WILDCARD)).problem


async def test_what_the_dns_server_refuses_is_shown_and_tried_again(panel, records):
    records.refuses = "The DNS server 10.1.0.1 does not know the key (BADKEY)."
    await work(panel)
    found = await state(panel, WILDCARD)
    assert (found.state, found.problem) == (CertificateState.FAILED, records.refuses)
    records.refuses = None
    panel.clock.advance(MINUTE)
    await work(panel)
    assert (await state(panel, WILDCARD)).state is CertificateState.ACTIVE
    assert records.shown(CHALLENGE) == set()


async def test_without_the_wildcard_each_name_gets_a_certificate_by_http(panel, stage, records):
    await stage.app()
    for name in ("skypanel", "api", "hello"):
        panel.dns.put(f"{name}.{DOMAIN}", "A", "8.8.8.8")

    records.refuses = "no"
    await work(panel)
    assert (await state(panel, f"hello.{DOMAIN}")).state is CertificateState.ACTIVE
    records.refuses = None
    panel.clock.advance(HOUR)
    await work(panel)
    assert (await state(panel, WILDCARD)).state is CertificateState.ACTIVE


@pytest.mark.req("R3.4")
@pytest.mark.parametrize("call", [*CALLS, "publish", "remove", "look_up_each"])
async def test_a_worker_that_is_killed_at_any_step_leaves_no_record(panel, records, call):
    """Before a step, and after it but before the panel stored that."""
    holder = next(each for each in (panel.authority, records, panel.dns) if hasattr(each, call))
    original = getattr(holder, call)

    class Killed(BaseException):
        pass

    async def killed_before(*_args, **_options):
        raise Killed

    async def killed_after(*args, **options):
        await original(*args, **options)
        raise Killed

    for kill in (killed_before, killed_after):
        setattr(holder, call, kill)
        for _ in range(6):
            with suppress(Killed):
                await certificates.work(panel, "worker")
            panel.clock.advance(2)
        setattr(holder, call, original)
        await execute(panel, "UPDATE paas_acme_orders SET lease_until = now() - interval '1 second'")
        panel.clock.advance(MINUTE)
    await work(panel, rounds=8)
    assert (await state(panel, WILDCARD)).state is CertificateState.ACTIVE
    assert (records.shown(CHALLENGE), await left(panel)) == (set(), [])


async def test_a_removal_that_fails_is_tried_again(panel, stage, records):
    panel.dns.lags.append(OLD)
    await work(panel, rounds=1)
    assert records.shown(CHALLENGE)
    await settings.change(panel, stage.admin, {"acme_directory": ""})
    await execute(panel, "DELETE FROM paas_acme_orders")
    records.refuses = "no"
    await certificates.work(panel, "worker")
    assert [row.failures for row in await left(panel)] == [1]
    records.refuses = None
    panel.clock.advance(MINUTE)
    await certificates.work(panel, "worker")
    assert (records.shown(CHALLENGE), await left(panel)) == (set(), [])


async def test_a_removal_is_given_up_after_weeks(panel, records):
    panel.dns.lags.append(OLD)
    await work(panel, rounds=1)
    await execute(panel, "DELETE FROM paas_acme_orders")
    await execute(panel, "UPDATE paas_dns_records SET failures = 30")
    records.refuses = "no"
    await dns_records.sweep(panel, records)
    assert await left(panel) == []


async def test_an_order_whose_access_is_gone_ends(panel, stage):
    panel.dns.lags.append(OLD)
    await work(panel)
    await settings.change(panel, stage.admin, {"dns_updates": "none"})
    assert await dns_records.publish(panel, await order(panel)) == "The settings of DNS were changed during the order."
    await work(panel)
    assert (await state(panel, WILDCARD)).state is CertificateState.NONE


async def test_a_record_of_its_own_leads_to_another_zone(panel, stage, records):
    panel.dns.lags.append(OLD)
    panel.dns.put(CHALLENGE, "CNAME", "proofs.example.org.")
    await certificates.work(panel, "worker")
    assert records.shown("proofs.example.org")
    panel.dns.lags.clear()
    assert await dns_records.try_out(panel, stage.admin) == "proofs.example.org"
    assert not records.shown(CHALLENGE)


async def test_a_wildcards_alias_is_not_followed(panel, records):
    panel.dns.lags.append(OLD)
    for name in (CHALLENGE, WILDCARD):
        panel.dns.put(name, "CNAME", "proxy.example.org.")
    await certificates.work(panel, "worker")
    assert records.shown(CHALLENGE)


async def test_aliases_in_a_circle_are_said(panel):
    panel.dns.put(CHALLENGE, "CNAME", f"{CHALLENGE}.")
    await work(panel)
    assert "lead in a circle" in (await state(panel, WILDCARD)).problem


async def test_administrators_try_the_access_out(panel, stage, records, monkeypatch):
    assert await dns_records.try_out(panel, stage.admin) == CHALLENGE
    assert (records.shown(CHALLENGE), await left(panel)) == (set(), [])
    with pytest.raises(Denied):
        await dns_records.try_out(panel, await stage.member(Role.OWNER))
    monkeypatch.setattr(dns_records, "TEST_S", 0.05)
    monkeypatch.setattr(dns_records, "LOOK_PAUSE_S", 0.01)
    panel.dns.lags.append(OLD)
    with pytest.raises(Unavailable, match="Not all name servers of"):
        await dns_records.try_out(panel, stage.admin)
    assert records.shown(CHALLENGE) == set()
    records.refuses = "The DNS server refuses."
    with pytest.raises(Unavailable, match="refuses"):
        await dns_records.try_out(panel, stage.admin)
    records.refuses = None
    await certificates.work(panel, "worker")
    assert [row.order_name for row in await left(panel)] == ["", WILDCARD], "a test may take a minute"
    panel.dns.lags.clear()
    panel.clock.advance(MINUTE)
    await work(panel)
    assert await left(panel) == []


async def test_what_cannot_be_tried_out_is_said(panel, stage):
    local = replace(panel, address=Address("localhost", 22, 80, 443))
    with pytest.raises(Invalid, match="localhost is in no public DNS"):
        await dns_records.try_out(local, stage.admin)
    await settings.change(panel, stage.admin, {"dns_updates": "none"})
    with pytest.raises(Invalid, match="writes no records"):
        await dns_records.try_out(panel, stage.admin)


@pytest.mark.parametrize("missing", ["rfc2136_server", "rfc2136_key_secret"])
async def test_incomplete_settings_are_refused(panel, stage, missing):
    with pytest.raises(Invalid, match=r"rfc2136_\w+: "):
        await settings.change(panel, stage.admin, {missing: ""})


async def wildcard(panel, app, **options):
    """Let an app have `*.example.net`, whose CNAME record delegates its proofs to the panel."""
    panel.dns.put("_acme-challenge.example.net", "CNAME", DELEGATED)
    await claim(panel, app, "*.example.net", **options)


async def test_an_apps_wildcard_is_proved_where_its_owner_delegated_that(panel, stage, records):
    panel.authority.prove = partial(at_alias, panel, records)
    await wildcard(panel, await stage.app())
    panel.dns.lags.append(OLD)
    await work(panel)
    assert len(records.shown(DELEGATED)) == 1
    panel.dns.lags.clear()
    await work(panel)
    found = await state(panel, "*.example.net")
    assert (found.state, found.certificate.facts.names) == (CertificateState.ACTIVE, ("*.example.net",))
    assert (records.shown(DELEGATED), await left(panel)) == (set(), [])


async def at_alias(panel, records, name, challenge):
    """Follow a CNAME record, as a CA does."""
    if challenge.kind is ChallengeKind.HTTP:
        return await certificates.proof(panel, name, challenge.token)
    alias = panel.dns.records.get((f"_acme-challenge.{name}", "CNAME"), (f"_acme-challenge.{name}",))[0]
    return challenge.proof if challenge.proof in records.shown(alias) else None


@pytest.mark.parametrize("at", ["elsewhere.example.com", f"other._acme-challenge.{DOMAIN}", CHALLENGE])
async def test_no_user_chooses_where_the_panel_writes(panel, stage, records, at):
    await wildcard(panel, await stage.app())
    panel.dns.put("_acme-challenge.example.net", "CNAME", at)
    await work(panel)
    assert f"leads to {at}, not to {DELEGATED}." in (await state(panel, "*.example.net")).problem
    assert records.shown(at) == set()


async def test_an_apps_wildcard_waits_for_its_delegation_and_for_access_to_dns(panel, stage):
    await wildcard(panel, await stage.app())
    await execute(panel, "UPDATE paas_domains SET delegation_problem = 'no CNAME'")
    await work(panel)
    assert (await state(panel, "*.example.net")).state is CertificateState.NONE
    await execute(panel, "UPDATE paas_domains SET delegation_problem = NULL")
    panel.dns.lags.append(OLD)
    await work(panel)
    assert (await state(panel, "*.example.net")).state is CertificateState.ISSUING
    await settings.change(panel, stage.admin, {"dns_updates": "none"})
    await work(panel)
    assert (await state(panel, "*.example.net")).state is CertificateState.NONE


async def test_a_name_below_another_apps_wildcard_has_a_certificate_of_its_own(panel, stage, records):
    panel.authority.prove = partial(at_alias, panel, records)
    app, other = await stage.app(), await stage.app("other")
    await wildcard(panel, app)
    await work(panel)
    await claim(panel, other, "a.example.net")
    await claim(panel, app, "b.example.net")
    await work(panel)
    names = {name: (await state(panel, name)).certificate.facts.names for name in ("a.example.net", "b.example.net")}
    assert names == {"a.example.net": ("a.example.net",), "b.example.net": ("*.example.net",)}
