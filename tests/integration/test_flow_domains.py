import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from skypanel.domain.access import Role
from skypanel.domain.alert import AlertKind
from skypanel.domain.dns import Fault
from skypanel.domain.domains import CHECKED_FOR, GRACE, MAX_SHOWN, DomainState, RecordState
from skypanel.domain.errors import Conflict, Invalid, NotFound
from skypanel.domain.routing import Address
from skypanel.flow import apps as apps_flow
from skypanel.flow import domain_checks, domains, mail, maintenance, notifications, organizations, settings, transfer
from skypanel.store import alerts, audit, routes
from skypanel.store import domains as store
from skypanel.store.tables.domains import domains as table
from tests.support.statements import Counting

NAME = "www.example.com"
HERE = "203.0.113.5"


@pytest.fixture
async def here(stage):
    """The panel's addresses are known."""
    await settings.change(stage.panel, stage.admin, {"public_addresses": HERE})


async def claim(stage, app, name=NAME):
    return await domains.add(stage.panel, app, name, stage.admin)


def prove(stage, *claims):
    stage.panel.dns.put(claims[0].challenge, "TXT", *(each.token for each in claims))


async def pass_(stage, seconds=3600.0):
    stage.panel.clock.advance(seconds)
    await domain_checks.check_due(stage.panel, lambda: False)


async def now(stage, app, name=NAME):
    return await domains.find(stage.panel, app, name)


async def hosts(stage, app):
    async with stage.panel.autocommit() as conn:
        return (await routes.get(conn, app.id)).hosts


async def actions(stage, app):
    async with stage.panel.autocommit() as conn:
        return [(entry.action, entry.details.get("domain")) for entry in await audit.recent(conn, 50) if entry.app_id == app.id]


@pytest.mark.req("R2.1", "R13.2", "R13.3")
async def test_a_claim_leads_to_its_app_once_it_is_proved(stage, app, here):
    made = await claim(stage, app)
    assert made.state is DomainState.PENDING
    await pass_(stage)
    assert (await now(stage, app)).last.proof_problem == f"There is no TXT record at _skypanel-challenge.{NAME} yet."
    assert await hosts(stage, app) == ("hello.localhost",)
    prove(stage, made)
    await pass_(stage)
    found = await now(stage, app)
    assert (found.state, found.last.proof_problem, found.last.address_problem) == (
        DomainState.VERIFIED,
        None,
        f"{NAME} has no address yet.",
    )
    assert await hosts(stage, app) == ("hello.localhost", NAME)
    assert stage.panel.router.routes[app.id].hosts == ("hello.localhost", NAME)
    stage.panel.dns.put(NAME, "A", HERE)
    await pass_(stage)
    assert (await now(stage, app)).state is DomainState.ACTIVE
    assert [action for action, name in await actions(stage, app) if name == NAME] == ["domain.verify", "domain.add"]


@pytest.mark.req("R2.1")
async def test_its_hostname_outlives_deploys_renames_and_maintenance_and_ends_with_it(stage, app):
    made = await claim(stage, app)
    prove(stage, made)
    await pass_(stage)
    await stage.push(app, "second")
    await stage.work()
    assert await hosts(stage, app) == ("hello.localhost", NAME)
    renamed = await apps_flow.rename(stage.panel, app, "other", stage.admin)
    assert await hosts(stage, app) == ("other.localhost", NAME)
    await maintenance.switch(stage.panel, renamed, stage.admin, on=True)
    assert (await domains.app_at(stage.panel, NAME)).maintenance
    await maintenance.switch(stage.panel, renamed, stage.admin, on=False)
    await domains.remove(stage.panel, renamed, await now(stage, app), stage.admin)
    assert await hosts(stage, app) == ("other.localhost",)
    assert await domains.app_at(stage.panel, NAME) is None
    with pytest.raises(NotFound, match="has no domain"):
        await domains.remove(stage.panel, renamed, made, stage.admin)
    again = await claim(stage, app)
    prove(stage, again)
    await pass_(stage)
    await apps_flow.destroy(stage.panel, renamed, stage.admin)
    async with stage.panel.autocommit() as conn:
        assert await store.holders(conn, [NAME]) == []


async def test_a_domain_goes_along_when_its_app_changes_hands(stage, app, main):
    prove(stage, await claim(stage, app))
    await pass_(stage)
    other = await organizations.create(stage.panel, stage.admin, "Other")
    await transfer.transfer(stage.panel, app, other, stage.admin)
    await stage.work()
    assert await hosts(stage, app) == ("hello.localhost", NAME)


@pytest.mark.req("R13.2")
async def test_of_two_organizations_the_one_that_proves_a_name_has_it(stage, app):
    other = await organizations.create(stage.panel, stage.admin, "Other")
    theirs = await apps_flow.create(stage.panel, stage.admin, "theirs", organization_id=other.id)
    mine, rival = await claim(stage, app), await claim(stage, theirs)
    prove(stage, rival)
    await pass_(stage)
    assert ((await now(stage, app)).is_verified, (await now(stage, theirs)).is_verified) == (False, True)
    # While both records are there, the one that had the name keeps it.
    prove(stage, rival, mine)
    await pass_(stage)
    found = await now(stage, app)
    assert not found.is_verified
    assert found.last.proof_problem == (
        f"Another app has this domain, and its TXT record is there as well. Remove {rival.token} from {mine.challenge}."
    )
    assert (await now(stage, theirs)).is_verified
    # Once the other one is gone, the name changes hands at once.
    prove(stage, mine)
    await pass_(stage)
    assert ((await now(stage, app)).is_verified, (await now(stage, theirs)).is_verified) == (True, False)
    assert NAME in await hosts(stage, app)
    assert ("domain.release", NAME) in await actions(stage, theirs)


async def test_an_organization_has_a_name_once(stage, app):
    prove(stage, await claim(stage, app))
    with pytest.raises(Conflict, match="a domain of this app already"):
        await claim(stage, app)
    await pass_(stage)
    with pytest.raises(Conflict, match="a domain of hello already"):
        await claim(stage, await stage.app("second"))


async def test_what_cannot_be_had_is_refused(stage, app):
    for text in ("hello.localhost", "co.uk", "*.example.com"):
        with pytest.raises(Invalid):
            await claim(stage, app, text)
    with pytest.raises(NotFound):
        await now(stage, app, "co.uk")


async def test_an_app_has_so_many_domains(stage, app):
    async with stage.panel.transaction() as conn:
        rows = [{"app_id": app.id, "name": f"a{number}.example.com", "token": "token"} for number in range(domains.MAX_DOMAINS)]
        await conn.execute(insert(table).values(rows))
    with pytest.raises(Conflict, match="which is the most"):
        await claim(stage, app)


async def test_a_domain_is_found_in_any_script(stage, app):
    made = await claim(stage, app, "Bücher.example.com")
    assert made.name == "xn--bcher-kva.example.com"
    for text in ("bücher.example.com", "xn--bcher-kva.example.com", str(made.id)):
        assert (await now(stage, app, text)).id == made.id


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.BROKEN, "fail .SERVFAIL."),
        (Fault.BOGUS, "The DNSSEC signatures .* are wrong"),
        (Fault.REFUSED, "refuse to answer"),
        (Fault.SILENT, "do not answer"),
        (Fault.LYING, "answer another question"),
        (Fault.LOOP, "lead in a circle"),
    ],
)
async def test_each_failure_of_dns_has_its_own_message(stage, app, fault, words):
    made = await claim(stage, app)
    prove(stage, made)
    for name in (made.challenge, NAME):
        stage.panel.dns.fail(name, fault)
    found = await domains.check(stage.panel, app, made, stage.admin)
    assert not found.is_verified
    for said in (found.last.proof_problem, found.last.address_problem):
        assert re.search(words, said)
    assert found.last.leads_here is None


async def test_another_text_is_shown_beside_the_one_that_is_wanted(stage, app):
    made = await claim(stage, app)
    stage.panel.dns.put(made.challenge, "TXT", "wrong")
    found = await domains.check(stage.panel, app, made, stage.admin)
    assert found.last.proof_problem == f"The TXT record at {made.challenge} says 'wrong', not {made.token}."
    stage.panel.dns.put(made.challenge, "TXT", "v=spf1 -all", f' "{made.token}" ')
    assert (await domains.check(stage.panel, app, made, stage.admin)).is_verified


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ({"A": (HERE,)}, (True, None)),
        ({"CNAME": ("hello.localhost.",)}, (True, None)),
        ({"A": ("198.51.100.7",)}, (False, f"{NAME} leads to 198.51.100.7, which is not this panel.")),
        ({"A": ("198.51.100.7", "::7")}, (False, f"{NAME} leads to 198.51.100.7 and ::7, which are not this panel.")),
        (
            {"A": (HERE,), "AAAA": ("::7",)},
            (False, f"{NAME} leads to ::7, which is not this panel, beside this panel. Remove that record."),
        ),
        ({"CNAME": ("cdn.example.org.",)}, (False, f"{NAME} leads to cdn.example.org, which has no address.")),
        ({}, (False, f"{NAME} has no address yet.")),
    ],
)
async def test_where_a_name_leads_is_compared_with_the_panels_addresses(stage, app, here, records, found):
    made = await claim(stage, app)
    for kind, values in records.items():
        stage.panel.dns.put(NAME, kind, *values)
    last = (await domains.check(stage.panel, app, made, stage.admin)).last
    assert (last.leads_here, last.address_problem) == found


async def test_of_thousands_of_addresses_a_few_are_named(stage, app, here):
    made = await claim(stage, app)
    stage.panel.dns.put(NAME, "A", *(f"198.51.100.{number}" for number in range(1, 101)))
    last = (await domains.check(stage.panel, app, made, stage.admin)).last
    assert last.address_problem.endswith("198.51.100.8 and 92 more, which are not this panel.")
    assert len(last.leads_to) == MAX_SHOWN


async def test_without_known_addresses_only_a_cname_can_be_told(stage, app):
    made = await claim(stage, app)
    stage.panel.dns.put(NAME, "A", HERE)
    found = (await domains.check(stage.panel, app, made, stage.admin)).last
    assert (found.leads_here, found.address_problem) == (
        None,
        "The panel does not know its own addresses. Ask an administrator to set public_addresses.",
    )


async def test_by_default_the_dashboards_hostname_tells_the_panels_addresses(stage, app):
    panel = replace(stage.panel, address=replace(stage.panel.address, domain="apps.example.net"))
    panel.dns.put("skypanel.apps.example.net", "A", HERE)
    panel.dns.put(NAME, "A", HERE)
    assert (await domains.check(panel, app, await domains.add(panel, app, NAME, stage.admin), stage.admin)).last.leads_here


async def test_checks_become_rarer_and_end_until_somebody_asks(stage, app):
    made = await claim(stage, app)
    pauses = []
    while (found := await now(stage, app)).next_check_at is not None:
        stage.panel.clock.advance((found.next_check_at - stage.panel.clock.now()).total_seconds())
        await pass_(stage, 0)
        if (found := await now(stage, app)).next_check_at:
            pauses.append(found.next_check_at - stage.panel.clock.now())
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(seconds=5), timedelta(hours=1))
    assert CHECKED_FOR < sum(pauses, timedelta()) <= CHECKED_FOR + timedelta(hours=1)
    assert len(pauses) < 200
    assert found.state is DomainState.FAILED
    prove(stage, made)
    await pass_(stage, 30 * 86400)
    assert not (await now(stage, app)).is_verified
    assert (await domains.check(stage.panel, app, made, stage.admin)).is_verified


async def test_a_domain_that_lost_its_proof_is_released_after_a_month_of_warnings(stage, app, here, main):
    await settings.change(stage.panel, stage.admin, {"smtp_host": "mail.example.com", "mail_sender": "panel@example.com"})
    await stage.member(Role.DEVELOPER)
    made = await claim(stage, app)
    prove(stage, made)
    stage.panel.dns.put(NAME, "A", HERE)
    await pass_(stage)
    assert (await now(stage, app)).next_check_at - stage.panel.clock.now() == timedelta(days=7)
    del stage.panel.dns.records[made.challenge, "TXT"]
    await pass_(stage, 7 * 86400)
    found = await now(stage, app)
    assert (found.state, found.is_verified) == (DomainState.LOST, True)
    assert await alerted(stage) == []
    warned = []
    while (found := await now(stage, app)).is_verified:
        assert NAME in await hosts(stage, app)
        warned.append(found.warned_at)
        await pass_(stage, 86400)
    assert len({at for at in warned if at}) == 5
    assert stage.panel.clock.now() - found.checked_at == timedelta(0)
    assert stage.panel.clock.now() - warned_since(warned) + timedelta(days=1) >= GRACE
    assert await hosts(stage, app) == ("hello.localhost",)
    assert await alerted(stage) == []
    assert (await mailed(stage)) == [stage.admin.email] * 5
    assert "Account, Notifications" in stage.panel.mailer.sent[0].text
    assert ("domain.release", NAME) in await actions(stage, app)


async def test_who_turned_these_mails_off_sees_the_alert_alone(stage, app):
    await settings.change(stage.panel, stage.admin, {"smtp_host": "mail.example.com", "mail_sender": "panel@example.com"})
    await notifications.choose(stage.panel, stage.admin, [])
    made = await claim(stage, app)
    prove(stage, made)
    await pass_(stage)
    del stage.panel.dns.records[made.challenge, "TXT"]
    for _ in range(3):
        await pass_(stage, 7 * 86400)
    assert len(await alerted(stage)) == 1
    assert await mailed(stage) == []


def warned_since(warned):
    return next(at for at in warned if at)


async def test_a_domain_whose_proof_is_back_in_time_stays(stage, app, main):
    made = await claim(stage, app)
    prove(stage, made)
    await pass_(stage)
    records = stage.panel.dns.records.copy()
    stage.panel.dns.records.clear()
    for _ in range(20):
        await pass_(stage, 86400)
    assert len(await alerted(stage)) == 1
    stage.panel.dns.records.update(records)
    await pass_(stage, 86400)
    assert (await now(stage, app)).lost_at is None
    assert await alerted(stage) == []


async def alerted(stage):
    async with stage.panel.autocommit() as conn:
        return [each.message for each in await alerts.open_(conn) if each.kind is AlertKind.DOMAIN_LOST]


async def mailed(stage):
    await mail.deliver(stage.panel, lambda: False)
    return [each.to for each in stage.panel.mailer.sent]


async def test_what_changed_during_a_check_wins(stage, app):
    """A domain that is removed, or checked by somebody else, is not brought back."""
    made = await claim(stage, app)
    prove(stage, made)
    claimed_until = stage.panel.clock.now() + domain_checks.CLAIM
    async with stage.panel.transaction() as conn:
        [claimed] = await store.claim(conn, stage.panel.clock.now(), claimed_until, 9)
    stage.panel.clock.advance(1)
    assert (await domains.check(stage.panel, app, made, stage.admin)).is_verified
    await domain_checks.check(stage.panel, [claimed], claimed_until)
    await domains.remove(stage.panel, app, await now(stage, app), stage.admin)
    await domain_checks.check(stage.panel, [claimed], claimed_until)
    assert await domains.listed(stage.panel, app) == []


async def test_a_proxy_that_does_not_answer_follows_later(stage, app):
    made = await claim(stage, app)
    prove(stage, made)
    stage.panel.router.broken = True
    assert (await domains.check(stage.panel, app, made, stage.admin)).is_verified
    assert NAME in await hosts(stage, app)


async def test_a_thousand_domains_are_checked_in_batches_at_the_same_cost(stage, app):
    async def with_claims(number):
        async with stage.panel.transaction() as conn:
            at = stage.panel.clock.now()
            rows = [
                {"app_id": each.id, "name": f"a{index}.{each.name}.example.com", "token": "token", "next_check_at": at, "asked_at": at}
                for each in many
                for index in range(number)
            ]
            await conn.execute(insert(table).values(rows))

    many = [await stage.app(f"many{number}") for number in range(10)]
    await with_claims(100)
    seen = SimpleNamespace(most=0, running=0)
    look_up = stage.panel.dns.look_up

    async def slow(*args, **options):
        seen.running += 1
        seen.most = max(seen.most, seen.running)
        await asyncio.sleep(0)
        seen.running -= 1
        return await look_up(*args, **options)

    stage.panel.dns.look_up = slow
    counting = Counting(stage.panel.database)
    await domain_checks.check_due(replace(stage.panel, database=counting), partial(next, iter([False, True])))
    assert seen.most == 3 * domain_checks.AT_ONCE
    assert counting.count == 4
    await domain_checks.check_due(stage.panel, lambda: False)
    for each in many:
        assert all(domain.checked_at for domain in await domains.listed(stage.panel, each))


WILDCARD = "*.example.com"


@pytest.fixture
async def panel_with_dns(stage):
    """A panel with a domain of its own and access to DNS."""
    stage.panel = replace(stage.panel, address=Address("apps.example.net", 22, 80, 443))
    await settings.change(stage.panel, stage.admin, {"public_addresses": HERE, "dns_updates": "rfc2136", "rfc2136_server": "10.1.0.1"})


@pytest.mark.req("R13.1")
@pytest.mark.usefixtures("panel_with_dns")
async def test_a_wildcard_is_refused_in_clear_words_without_access_to_dns(stage, app):
    await settings.change(stage.panel, stage.admin, {"dns_updates": "none"})
    with pytest.raises(Invalid, match=r"^\*\.example\.com cannot be had: this panel has no access to DNS.*\(DNS-01\)") as refused:
        await claim(stage, app, WILDCARD)
    assert "ask an administrator to set dns_updates" in refused.value.hint
    await settings.change(stage.panel, stage.admin, {"dns_updates": "rfc2136"})
    stage.panel = replace(stage.panel, address=Address("localhost", 22, 80, 443))
    with pytest.raises(Invalid, match="no access to DNS"):
        await claim(stage, app, WILDCARD)


@pytest.mark.req("R13.1", "R13.2", "R13.3")
@pytest.mark.usefixtures("panel_with_dns")
async def test_a_wildcard_is_claimed_by_the_same_record_and_delegated_by_one_more(stage, app):
    made = await claim(stage, app, WILDCARD)
    prove(stage, made)
    stage.panel.dns.put(WILDCARD, "A", HERE)
    await pass_(stage)
    found = await now(stage, app, WILDCARD)
    target = f"{made.token}._acme-challenge.apps.example.net"
    assert (found.state, found.problem) == (
        DomainState.VERIFIED,
        f"There is no CNAME record at _acme-challenge.example.com yet that leads to {target}.",
    )
    assert WILDCARD in await hosts(stage, app)
    [guide] = await domains.guides(stage.panel, app, [found])
    assert [(each.kind, each.name, each.value, each.state) for each in guide.records] == [
        ("TXT", "_skypanel-challenge.example.com", made.token, RecordState.SET),
        ("CNAME", WILDCARD, "hello.apps.example.net", RecordState.SET),
        ("CNAME", "_acme-challenge.example.com", target, RecordState.MISSING),
    ]
    stage.panel.dns.put("_acme-challenge.example.com", "CNAME", f"{target}.")
    await pass_(stage)
    found = await now(stage, app, WILDCARD)
    assert (found.state, found.problem) == (DomainState.ACTIVE, None)


@pytest.mark.req("R13.2")
@pytest.mark.usefixtures("panel_with_dns")
async def test_the_more_exact_name_wins_also_of_another_organization(stage, app):
    other = await organizations.create(stage.panel, stage.admin, "Other")
    theirs = await apps_flow.create(stage.panel, stage.admin, "theirs", organization_id=other.id)
    wide, exact = await claim(stage, app, WILDCARD), await claim(stage, theirs, "a.example.com")
    prove(stage, wide)
    prove(stage, exact)
    await pass_(stage)
    led = {host: await domains.app_at(stage.panel, host) for host in ("a.example.com", "b.example.com", "b.a.example.com", "example.com")}
    assert {host: found.name if found else None for host, found in led.items()} == {
        "a.example.com": "theirs", "b.example.com": "hello", "b.a.example.com": None, "example.com": None,
    }  # fmt: skip
    await domains.remove(stage.panel, theirs, await now(stage, theirs, "a.example.com"), stage.admin)
    assert (await domains.app_at(stage.panel, "a.example.com")).name == "hello"
