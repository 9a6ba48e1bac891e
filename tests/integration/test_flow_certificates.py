"""Certificates: what wants one, orders step by step, failures and renewals, on a real database."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from skypanel.domain.certificate import AuthorityError, CertificateState, RenewalInfo
from skypanel.domain.routing import Address
from skypanel.flow import apps, certificates, organizations, secrets, settings
from skypanel.store import acme_orders, audit
from skypanel.store import certificates as stored
from tests.fakes.crypto import FakeCipher
from tests.support.certificates import NAME, claim, execute, state

pytestmark = pytest.mark.req("R13.4")

MINUTE, HOUR, DAY = 60, 3600, 86400
CALLS = ("register", "order", "answer", "look_up", "finalize", "fetch")


@pytest.fixture
async def panel(stage):
    """A panel whose CA looks for proofs where the proxies do."""

    async def look(name, challenge):
        return await certificates.proof(stage.panel, name, challenge.token)

    stage.panel.authority.prove = look
    return stage.panel


@pytest.fixture
async def hello(stage, panel):
    made = await stage.app()
    await claim(panel, made)
    return made


async def rows(panel, statement):
    async with panel.transaction() as conn:
        return await conn.all(text(statement))


async def work(panel, *, rounds=4):
    """Work as the schedule does, a second or two apart."""
    for _ in range(rounds):
        await certificates.work(panel, "worker")
        panel.clock.advance(1)


async def chain(panel, name=NAME):
    async with panel.transaction() as conn:
        [found] = [each for each in await stored.for_names(conn, [name]) if each.facts.names == (name,)]
    return found


async def test_a_domain_that_leads_here_gets_a_certificate(panel, hello):
    assert (await state(panel)).state is CertificateState.NONE
    await certificates.work(panel, "worker")
    assert (await state(panel)).state is CertificateState.ISSUING
    await work(panel)
    now = await state(panel)
    assert (now.state, now.problem) == (CertificateState.ACTIVE, "")
    assert now.until == (await chain(panel)).facts.not_after
    assert panel.authority.asked == ["register", "order", "answer", "look_up", "finalize", "look_up", "fetch", "renewal_info"]
    async with panel.transaction() as conn:
        [entry] = [each for each in await audit.recent(conn, 5) if each.action == "certificate.issue"]
    served = certificates.Served()
    await certificates.refresh(panel, served)
    [pair] = served.pairs.values()
    assert panel.certificates.read(pair.chain, pair.key).names == (NAME,)
    assert (served.names, served.proving) == ({NAME}, [])
    assert pair.key not in repr(served)
    await certificates.refresh(panel, served)
    assert next(iter(served.pairs.values())) is pair
    assert (entry.app_id, entry.details["domain"], entry.details["issuer"]) == (hello.id, NAME, "Fake Authority")
    panel.authority.asked.clear()
    await work(panel)
    assert panel.authority.asked == []


async def test_the_proxies_get_what_has_changed(panel, hello):
    served = certificates.Served()
    await certificates.work(panel, "worker")
    await certificates.refresh(panel, served)
    assert (served.names, served.proving) == (set(), [NAME])
    await work(panel)
    await certificates.refresh(panel, served)
    before = list(served.pairs.values())
    panel.clock.advance(61 * DAY)
    await work(panel)
    await certificates.refresh(panel, served)
    assert [pair.names for pair in before] == [pair.names for pair in served.pairs.values()]
    assert before != list(served.pairs.values())
    panel.clock.advance(91 * DAY)
    await certificates.refresh(panel, served)
    assert (served.pairs, served.versions) == ({}, {})


async def test_the_panels_own_names_come_first_and_those_that_fail_again_and_again_last(panel, stage):
    app, now = await stage.app(), panel.clock.now()
    names = {"a.example.com": app.id, "b.example.com": app.id, "skypanel.example.net": None}
    async with panel.transaction() as conn:
        for name, app_id in names.items():
            await acme_orders.add(conn, name, app_id, b"a key", now)
        await conn.execute(text("UPDATE paas_acme_orders SET failures = 3 WHERE name = 'a.example.com'"))
        claimed = [await acme_orders.claim(conn, now, 60) for _ in range(4)]
    assert [each.name for each in claimed if each] == list(reversed(names))


async def test_no_order_is_made_for_what_does_not_lead_here_or_is_not_verified(panel, stage):
    app = await stage.app()
    await claim(panel, app, leads_here=False)
    await claim(panel, app, "*.example.com")
    await claim(panel, app, "unverified.example.com", verified=False)
    await work(panel)
    assert panel.authority.asked == []


async def test_an_order_for_a_domain_that_is_gone_ends(panel, hello):
    await certificates.work(panel, "worker")
    await execute(panel, "DELETE FROM paas_domains")
    await work(panel)
    assert (await state(panel)).state is CertificateState.NONE
    assert panel.authority.asked == ["register", "order"]


async def test_the_panel_s_own_names_and_those_of_apps_get_certificates_on_a_domain_of_its_own(panel, hello):
    own = replace(panel, address=Address("apps.example.com", 22, 80, 443))
    names = ["skypanel.apps.example.com", "apps.example.com", "api.apps.example.com", "hello.apps.example.com", NAME]
    for name in names[:-1]:
        panel.dns.put(name, "A", "198.51.100.7" if name == names[0] else "8.8.8.8")
    panel.dns.records.pop((names[1], "A"))
    await work(own, rounds=8)
    found = await certificates.states(own, names)
    assert "leads to 198.51.100.7, which is a private address" in found[names[0]].problem
    assert "has no A or AAAA record that leads to this panel" in found[names[1]].problem
    assert panel.authority.asked.count("order") == 3
    panel.dns.put(names[0], "A", "8.8.8.8")
    panel.dns.put(names[1], "AAAA", "2606:4700::1")
    panel.clock.advance(MINUTE)
    await work(own, rounds=8)
    assert {each.state for each in (await certificates.states(own, names)).values()} == {CertificateState.ACTIVE}
    assert len(await rows(panel, "SELECT * FROM paas_certificates")) == len(names)


async def test_automatic_certificates_can_be_turned_off(panel, stage, hello):
    await settings.change(panel, stage.admin, {"acme_directory": ""})
    await work(panel)
    assert panel.authority.asked == []


@pytest.mark.req("R3.4")
@pytest.mark.parametrize("call", CALLS)
async def test_a_worker_that_is_killed_at_any_step_leaves_an_order_that_goes_on(panel, hello, call):
    """Before the CA hears of a step, and after it did but before the panel stored that."""
    original = getattr(panel.authority, call)

    class Killed(BaseException):
        pass

    async def killed_before(*_args):
        raise Killed

    async def killed_after(*args):
        await original(*args)
        raise Killed

    for kill in (killed_before, killed_after):
        setattr(panel.authority, call, kill)
        for _ in range(8):
            await certificates.work(panel, "worker")
            panel.clock.advance(1)
        setattr(panel.authority, call, original)
        assert (await state(panel)).state is CertificateState.ISSUING
        await execute(panel, "UPDATE paas_acme_orders SET lease_until = now() - interval '1 second'")
        panel.clock.advance(MINUTE)
    await work(panel, rounds=8)
    assert (await state(panel)).state is CertificateState.ACTIVE
    assert len(await rows(panel, "SELECT * FROM paas_acme_accounts")) == 1


async def test_two_workers_do_not_work_on_one_order(panel, hello):
    await certificates.work(panel, "worker")
    panel.clock.advance(1)
    async with panel.transaction() as conn:
        first = await acme_orders.claim(conn, panel.clock.now(), 20)
        assert await acme_orders.claim(conn, panel.clock.now(), 20) is None
    await execute(panel, "UPDATE paas_acme_orders SET lease_until = now() - interval '1 second'")
    async with panel.transaction() as conn:
        second = await acme_orders.claim(conn, panel.clock.now(), 20)
        assert not await acme_orders.advance(conn, first, "answered")
        assert not await acme_orders.renew_lease(conn, first, 20)
        assert not await acme_orders.finish(conn, first)
        assert await acme_orders.renew_lease(conn, second, 20)


async def test_a_refusal_is_shown_and_tried_again_after_growing_pauses(panel, hello):
    async def nothing(_name, _challenge):
        return None

    proving, panel.authority.prove = panel.authority.prove, nothing
    pauses = []
    for failures in range(1, 14):
        await work(panel)
        now = await state(panel)
        assert (now.state, now.problem) == (CertificateState.FAILED, f"The certificate authority says: the proof of {NAME} is wrong")
        pauses.append((now.next_attempt_at - panel.clock.now()) / timedelta(minutes=1))
        orders = panel.authority.asked.count("order")
        assert orders == failures
        panel.clock.advance((now.next_attempt_at - panel.clock.now()).total_seconds() - 1)
        await certificates.work(panel, "worker")
        assert panel.authority.asked.count("order") == orders
        panel.clock.advance(1)
    assert [round(pause) for pause in pauses] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]
    panel.authority.prove = proving
    await work(panel)
    assert (await state(panel)).state is CertificateState.ACTIVE


@pytest.mark.parametrize("call", CALLS)
async def test_the_ca_s_own_time_is_kept_to_when_it_limits_the_rate(panel, hello, call):
    panel.authority.fails[call] = AuthorityError(
        "The certificate authority says: slowly", code="rateLimited", retry_after=timedelta(hours=3)
    )
    await work(panel, rounds=8)
    now = await state(panel)
    assert (now.state, now.problem) == (CertificateState.FAILED, "The certificate authority says: slowly")
    asked = len(panel.authority.asked)
    panel.clock.advance(3 * HOUR - MINUTE)
    await work(panel)
    assert len(panel.authority.asked) == asked
    panel.clock.advance(MINUTE)
    await work(panel, rounds=8)
    assert (await state(panel)).state is CertificateState.ACTIVE


async def test_an_organization_orders_so_many_certificates_at_a_time_and_leaves_the_rest_to_others(panel, stage, hello):
    await settings.change(panel, stage.admin, {"certificates_per_organization": "3"})
    await claim_many(panel, hello, 6)
    other = await organizations.create(panel, stage.admin, "Acme")
    await claim(panel, await apps.create(panel, stage.admin, "rocket", organization_id=other.id), "rocket.example.net")
    began = panel.clock.now()
    await work(panel)
    names = ["rocket.example.net", NAME, *(f"d{number}.example.com" for number in range(1, 7))]

    async def active():
        return [name for name, each in (await certificates.states(panel, names)).items() if each.state is CertificateState.ACTIVE]

    first = await active()
    assert (len(first), first[0]) == (4, "rocket.example.net")
    limited = await state(panel, next(name for name in names if name not in first))
    again = began + timedelta(hours=3)
    said = f"The organization has ordered 3 certificates within 3 hours, and may order the next at {again:%H:%M} UTC."
    assert (limited.problem, limited.next_attempt_at) == (said, again)
    panel.clock.advance(3 * HOUR - 10)
    await work(panel)
    assert len(await active()) == 4
    panel.clock.advance(10)
    await work(panel)
    assert len(await active()) == 7
    panel.clock.advance(3 * HOUR)
    await work(panel)
    assert await active() == names
    panel.clock.advance(4 * HOUR)
    await work(panel)
    assert await rows(panel, "SELECT * FROM paas_acme_requests") == []


async def test_organizations_take_turns_with_the_ca(panel, stage, hello):
    await claim_many(panel, hello, 40)
    other = await organizations.create(panel, stage.admin, "Acme")
    await claim(panel, await apps.create(panel, stage.admin, "rocket", organization_id=other.id), "z.example.net")
    await execute(
        panel,
        "INSERT INTO paas_acme_requests (organization_id, requested_at) VALUES (:organization, :now)",
        now=panel.clock.now(),
        organization=hello.organization_id,
    )
    order, ordered = panel.authority.order, []

    async def record(account, request):
        made = await order(account, request)
        ordered.append(made.authorizations[0].name)
        return made

    panel.authority.order = record
    await certificates.work(panel, "worker")
    assert len(ordered) == 42
    assert "z.example.net" in ordered[: certificates.AT_ONCE]


async def test_a_domain_that_is_removed_and_added_again_waits_as_before(panel, hello):
    panel.authority.fails["order"] = AuthorityError("The certificate authority says: no", code="unauthorized")
    await work(panel)
    failed = await state(panel)
    for _ in range(2):
        await execute(panel, "DELETE FROM paas_domains")
        await work(panel, rounds=1)
        assert (await state(panel)).state is CertificateState.NONE
        await claim(panel, hello)
        await work(panel, rounds=1)
        assert (await state(panel)) == failed
    assert panel.authority.asked.count("order") == 1
    panel.clock.advance(MINUTE)
    await work(panel)
    assert (await state(panel)).state is CertificateState.ACTIVE
    assert await rows(panel, "SELECT * FROM paas_acme_failures") == []


async def test_a_failure_of_long_ago_is_forgotten_with_its_order(panel, hello):
    panel.authority.fails["order"] = AuthorityError("The certificate authority says: no", code="unauthorized")
    await work(panel)
    await execute(panel, "DELETE FROM paas_domains")
    await work(panel, rounds=1)
    panel.clock.advance(DAY + MINUTE)
    await work(panel, rounds=1)
    assert await rows(panel, "SELECT * FROM paas_acme_failures") == []


@pytest.mark.parametrize("call", CALLS)
async def test_a_ca_that_is_down_for_a_while_delays_the_same_order(panel, hello, call):
    panel.authority.fails[call] = AuthorityError("The certificate authority at x does not answer as it should: refused.")
    await work(panel, rounds=8)
    panel.clock.advance(MINUTE)
    await work(panel, rounds=8)
    assert (await state(panel)).state is CertificateState.ACTIVE
    assert panel.authority.asked.count("order") == (2 if call == "order" else 1)


async def test_an_account_that_the_ca_forgot_is_made_anew(panel, hello):
    await work(panel)
    panel.authority.forget()
    await claim(panel, hello, "api.example.com")
    await work(panel)
    assert "no such account" in (await state(panel, "api.example.com")).problem
    panel.clock.advance(MINUTE)
    await work(panel)
    assert (await state(panel, "api.example.com")).state is CertificateState.ACTIVE
    assert panel.authority.asked.count("register") == 2


async def test_another_ca_issues_all_certificates_again(panel, stage, hello):
    await work(panel)
    before = await chain(panel)
    await certificates.work(panel, "worker")
    await settings.change(panel, stage.admin, {"acme_directory": "letsencrypt-staging"})
    await work(panel)
    assert (await chain(panel)).facts.serial != before.facts.serial
    assert len(await rows(panel, "SELECT * FROM paas_certificates")) == 1
    served = certificates.Served()
    await certificates.refresh(panel, served)
    # Browsers trust none of staging, so nobody is redirected to it.
    assert ([pair.names for pair in served.pairs.values()], served.names) == ([(NAME,)], set())
    await work(panel)
    assert panel.authority.asked.count("order") == 2


async def test_an_order_of_another_ca_begins_anew(panel, stage, hello):
    await certificates.work(panel, "worker")
    await settings.change(panel, stage.admin, {"acme_directory": "letsencrypt-staging"})
    panel.clock.advance(2)
    await work(panel)
    assert "was changed" in (await state(panel)).problem
    panel.clock.advance(MINUTE)
    await work(panel)
    assert (await state(panel)).state is CertificateState.ACTIVE


@pytest.mark.parametrize(("life", "renewed_after"), [(timedelta(days=90), 60), (timedelta(days=6), 4)])
async def test_a_certificate_is_renewed_after_two_thirds_of_its_life(panel, hello, life, renewed_after):
    panel.authority.life = life
    await work(panel)
    before = await chain(panel)
    panel.clock.advance(renewed_after * DAY - MINUTE)
    await work(panel)
    assert (await chain(panel)).facts.serial == before.facts.serial
    panel.clock.advance(MINUTE)
    await work(panel)
    after = await chain(panel)
    assert after.facts.serial != before.facts.serial
    assert (after.id, after.facts.not_after - before.facts.not_after >= timedelta(days=renewed_after)) == (before.id, True)
    assert (await state(panel)).state is CertificateState.ACTIVE


async def test_the_ca_says_when_to_renew(panel, hello):
    at = panel.clock.now() + timedelta(days=3)
    panel.authority.info = RenewalInfo(at, timedelta(hours=1))
    await work(panel)
    before = await chain(panel)
    assert before.renew_at == at
    panel.authority.info = RenewalInfo(at - timedelta(days=1), timedelta(hours=1))
    panel.clock.advance(HOUR)
    await work(panel)
    assert (await chain(panel)).renew_at == at - timedelta(days=1)
    panel.authority.fails["renewal_info"] = AuthorityError("down", retry_after=timedelta(minutes=5))
    panel.clock.advance(2 * DAY)
    await work(panel)
    assert (await chain(panel)).facts.serial != before.facts.serial


async def test_only_names_that_changed_or_are_due_are_looked_at(panel, hello):
    await work(panel)
    assert [each.name for each in await rows(panel, "SELECT name FROM paas_certificate_looks")] == [NAME]
    await execute(panel, "UPDATE paas_domains SET checked_at = now(), leads_to = '{198.51.100.1}'")
    await execute(panel, "UPDATE paas_applications SET maintenance = true")
    assert len(await rows(panel, "SELECT * FROM paas_certificate_looks")) == 1
    await execute(panel, "UPDATE paas_domains SET leads_here = false")
    assert len(await rows(panel, "SELECT * FROM paas_certificate_looks")) == 3
    await work(panel)
    [armed] = await rows(panel, "SELECT * FROM paas_certificate_looks")
    assert (armed.name, armed.due_at) == (NAME, (await chain(panel)).renew_at)


async def test_what_no_trigger_saw_is_found_within_an_hour(panel, hello):
    await execute(panel, "DELETE FROM paas_domains")
    await work(panel)
    await claim(panel, hello)
    await execute(panel, "DELETE FROM paas_certificate_looks")
    await work(panel)
    assert panel.authority.asked == []
    panel.clock.advance(HOUR)
    await work(panel)
    assert (await state(panel)).state is CertificateState.ACTIVE


async def test_a_domain_that_is_new_while_others_are_ordered_does_not_wait_for_them(panel, stage, hello, monkeypatch):
    monkeypatch.setattr(certificates, "PLAN_EVERY_S", 0)
    order, ordered = panel.authority.order, []

    async def meanwhile(account, request):
        ordered.append(request)
        if len(ordered) == 1:
            await claim(panel, hello, "late.example.com")
        return await order(account, request)

    panel.authority.order = meanwhile
    await claim(panel, hello, "a.example.com")
    await certificates.work(panel, "worker")
    assert len(ordered) == 3


async def test_a_ca_that_wants_a_renewal_at_once_gets_one_a_day(panel, hello):
    panel.authority.info = RenewalInfo(panel.clock.now() - timedelta(days=1), timedelta(minutes=1))
    for _ in range(6):
        await work(panel)
        panel.clock.advance(12 * HOUR)
    assert panel.authority.asked.count("order") == 3


async def test_a_renewal_that_fails_leaves_the_certificate_and_is_shown_in_time(panel, hello):
    await work(panel)
    before = await chain(panel)
    refused = AuthorityError("The certificate authority says: no", code="unauthorized")
    panel.clock.advance(60 * DAY)
    panel.authority.fails["order"] = refused
    await work(panel)
    assert (await state(panel)).state is CertificateState.ACTIVE
    assert (await state(panel)).problem == "The certificate authority says: no"
    for _ in range(40):
        panel.authority.fails["order"] = refused
        await work(panel, rounds=1)
        panel.clock.advance(DAY)
        now = await state(panel)
        left = before.facts.not_after - panel.clock.now()
        expected = (
            CertificateState.FAILED
            if left <= timedelta()
            else CertificateState.EXPIRING
            if left < timedelta(days=14)
            else CertificateState.ACTIVE
        )
        assert now.state is expected
    panel.authority.fails.clear()
    await work(panel)
    panel.clock.advance(DAY)
    await work(panel)
    assert (await state(panel)).state is CertificateState.ACTIVE


async def test_keys_rotate_and_none_is_stored_in_clear_text(panel, hello):
    await work(panel)
    await claim(panel, hello, "api.example.com")
    await certificates.work(panel, "worker")

    class Ring:
        def add(self):
            panel.cipher.keys.insert(0, 2)

        def retire(self):
            panel.cipher.keys[:] = [2]

    assert isinstance(panel.cipher, FakeCipher)
    await secrets.rotate(panel, Ring())
    kept = [
        bytes(row.secret)
        for table in ("paas_certificates", "paas_acme_orders", "paas_acme_accounts")
        for row in await rows(panel, f"SELECT secret FROM {table}")
    ]
    assert len(kept) == 3
    assert {secret.partition(b":")[0] for secret in kept} == {b"2"}
    assert {panel.cipher.decrypt(secret).split("\n")[0] for secret in kept} == {"-----BEGIN PRIVATE KEY-----"}
    panel.clock.advance(1)
    await work(panel)
    assert (await state(panel, "api.example.com")).state is CertificateState.ACTIVE


async def claim_many(panel, app, number, parent="example.com"):
    await execute(
        panel,
        "INSERT INTO paas_domains (app_id, name, token, verified_at, leads_here) "
        "SELECT :app, 'd' || number || '.' || :parent, 'token', now(), true FROM generate_series(1, :number) number",
        app=app.id, number=number, parent=parent,
    )  # fmt: skip


async def test_hundreds_of_domains_get_their_certificates_in_one_go(panel, stage, hello):
    await settings.change(panel, stage.admin, {"certificates_per_organization": "1000"})
    await claim_many(panel, hello, 199)
    await work(panel, rounds=2)
    assert len(await rows(panel, "SELECT * FROM paas_certificates")) == 200


async def test_the_ca_finds_the_proof_at_the_name_alone(panel, hello, client):
    await certificates.work(panel, "worker")
    [order] = await rows(panel, "SELECT * FROM paas_acme_orders")
    path = f"/.well-known/acme-challenge/{order.token}"
    answer = await client.get(path, headers={"Host": NAME})
    assert (answer.status, await answer.text()) == (200, order.proof)
    for host, asked in ((NAME, f"{path}x"), ("other.example.com", path), (NAME, "/.well-known/acme-challenge/")):
        assert (await client.get(asked, headers={"Host": host})).status == 404
    await work(panel)
    assert (await client.get(path, headers={"Host": NAME})).status == 404


async def test_the_api_says_it_in_heroku_s_words(api, panel, hello):
    async def said(name=NAME):
        [found] = [each for each in await api.get("/apps/hello/domains") if each["hostname"] == name]
        assert await api.get(f"/apps/hello/domains/{name}") == found
        return found["acm_status"], found["acm_status_reason"]

    await claim(panel, hello, "new.example.com", verified=False)
    await claim(panel, hello, "late.example.com", verified=False)
    await claim(panel, hello, "away.example.com", leads_here=False)
    await execute(panel, "UPDATE paas_domains SET next_check_at = now() WHERE name LIKE 'new.%'")
    await execute(panel, "UPDATE paas_domains SET address_problem = 'It has no address.' WHERE name LIKE 'away.%'")
    assert await said("new.example.com") == ("pending", None)
    assert await said("late.example.com") == ("failed", None)
    assert await said("away.example.com") == ("failing", "It has no address.")
    assert await said() == ("dns-verified", None)
    await certificates.work(panel, "worker")
    assert await said() == ("verified", None)
    panel.authority.fails["answer"] = AuthorityError("The certificate authority says: no", code="unauthorized")
    await work(panel)
    assert await said() == ("failing", "The certificate authority says: no")
    panel.clock.advance(MINUTE)
    await work(panel)
    assert await said() == ("cert issued", None)
