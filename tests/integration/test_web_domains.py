"""The page of an app's domains, its events, and the page for visitors of a domain."""

import html
from dataclasses import replace

import pytest
from sqlalchemy import update

from skypanel.domain.access import Role
from skypanel.flow import domain_checks, domains, maintenance, settings, uploaded_certificates, watching
from skypanel.store import acme_orders
from skypanel.store.tables.certificates import orders
from tests.support import factories
from tests.support.pairs import pair
from tests.support.statements import Counting

PAGE = "/apps/hello/domains"
NAME = "www.example.com"
HERE = "203.0.113.5"


async def send(client, **fields):
    return await client.send(PAGE, page=PAGE, **fields)


def prove(stage, domain, address=HERE):
    stage.panel.dns.put(domain.challenge, "TXT", domain.token)
    stage.panel.dns.put(domain.name, "A", address)


@pytest.mark.req("R13.1", "R13.5")
async def test_a_domain_is_added_with_the_records_to_set(admin, stage, app):
    assert "skypanel domains add hello www.example.com" in await admin.page(PAGE)
    response = await send(admin, do="add", name=" WWW.Example.com ")
    assert (response.status, response.headers["Location"]) == (303, PAGE)
    [domain] = await domains.listed(stage.panel, app)
    page = await admin.page(PAGE)
    assert "www.example.com is added. Set its records now." in page
    for kind, name, value in (("TXT", domain.challenge, domain.token), ("CNAME", NAME, "hello.localhost")):
        assert f'<td data-label="Type">{kind}</td> <td data-label="Name"><code>{name}</code>' in page
        assert f'<code>{value}</code><button type="button" class="copy plain" data-copy="{value}"' in page
    assert page.count('<span class="state unknown">unknown</span>') == 2
    assert "Not checked yet" in page


@pytest.mark.req("R13.2", "R13.5")
async def test_each_record_is_shown_as_it_is_now(admin, stage, app):
    await settings.change(stage.panel, stage.admin, {"public_addresses": HERE})
    domain = await domains.add(stage.panel, app, NAME, stage.admin)
    stage.panel.dns.put(NAME, "A", "198.51.100.7")
    assert (await send(admin, do="check", name=NAME)).status == 303
    page = await admin.page(PAGE)
    assert f"There is no TXT record at {domain.challenge} yet. {NAME} leads to 198.51.100.7, which is not this panel." in page
    for word in ("missing", "different", "pending"):
        assert f'<span class="state {word}">{word}</span>' in page
    assert "It leads to 198.51.100.7" in page
    prove(stage, domain, "198.51.100.7")
    await send(admin, do="check", name=str(domain.id))
    page = await admin.page(PAGE)
    assert f"{NAME} leads to 198.51.100.7, which is not this panel." in page
    assert '<span class="state verified">verified</span>' in page
    prove(stage, domain)
    await send(admin, do="check", name=NAME)
    page = await admin.page(PAGE)
    assert f"{NAME} is as it should be." in page
    assert '<span class="state active">active</span>' in page
    assert f'<a href="http://{NAME}/"' in await admin.page("/apps/hello")


async def test_an_apex_has_addresses_or_an_alias(admin, stage, app):
    await domains.add(stage.panel, app, "bücher.com", stage.admin)
    page = await admin.page(PAGE)
    assert "bücher.com" in page
    assert "<code>xn--bcher-kva.com</code>" in page
    assert '<td data-label="Type">ALIAS or ANAME</td>' in page
    await settings.change(stage.panel, stage.admin, {"public_addresses": f"{HERE},2001:db8::5,198.51.100.0/24"})
    page = await admin.page(PAGE)
    for kind, value in (("A", HERE), ("AAAA", "2001:db8::5")):
        assert f'<td data-label="Type">{kind}</td>' in page
        assert f'data-copy="{value}"' in page
    assert "198.51.100.0" not in page


async def test_a_bad_domain_is_said_beside_what_was_entered(admin, stage, app):
    hostile = "<script>alert(1)</script>"
    for name, said in ((hostile, "is more than a domain"), ("hello.localhost", "localhost is reserved"), ("co.uk", "shared by many")):
        response = await send(admin, do="add", name=name)
        page = await response.text()
        assert response.status == 422
        assert said in page
        assert f'value="{html.escape(name)}"' in page
        assert hostile not in page
    assert (await send(admin, do="nothing", name=NAME)).status == 422
    assert (await send(admin, do="remove", name=NAME)).status == 422
    assert await domains.listed(stage.panel, app) == []


async def test_what_a_resolver_says_is_text(admin, stage, app):
    domain = await domains.add(stage.panel, app, NAME, stage.admin)
    stage.panel.dns.put(domain.challenge, "TXT", "<script>alert(1)</script>")
    await send(admin, do="check", name=NAME)
    page = await admin.page(PAGE)
    assert "says &#39;&lt;script&gt;" in page
    assert "<script>alert" not in page


async def test_a_domain_that_waited_too_long_or_lost_its_proof_says_what_to_do(admin, stage, app):
    domain = await domains.add(stage.panel, app, NAME, stage.admin)
    stage.panel.clock.advance(4 * 86400)
    await domain_checks.check_due(stage.panel, lambda: False)
    assert "Nothing proved the domain within three days." in await admin.page(PAGE)
    prove(stage, domain)
    await send(admin, do="check", name=NAME)
    stage.panel.dns.records.clear()
    await send(admin, do="check", name=NAME)
    assert "Its TXT record is gone." in await admin.page(PAGE)


async def test_removing_asks_first_and_viewers_only_look(admin, new_client, stage, app):
    domain = await domains.add(stage.panel, app, NAME, stage.admin)
    page = await admin.page(PAGE)
    assert f'data-dialog="remove-{domain.id}"' in page
    viewer = await new_client()
    await viewer.sign_in(await stage.member(Role.VIEWER))
    page = await viewer.page(PAGE)
    assert domain.token in page
    assert "Add a domain" not in page
    assert "Check now" not in page
    assert (await send(admin, do="remove", name=NAME)).status == 303
    assert f"{NAME} is removed." in await admin.page(PAGE)
    assert await domains.listed(stage.panel, app) == []


async def test_open_pages_learn_of_a_check(stage, app):
    domain = await domains.add(stage.panel, app, NAME, stage.admin)
    before = await watching.fingerprint(stage.panel, watching.View(frozenset({app.id})), [])
    stage.panel.clock.advance(1)
    await domains.check(stage.panel, app, domain, stage.admin)
    assert await watching.fingerprint(stage.panel, watching.View(frozenset({app.id})), []) != before


async def test_a_page_of_many_domains_costs_as_much_as_one_of_few(stage, app):
    counting = Counting(stage.panel.database)
    for number in range(3):
        await domains.add(stage.panel, app, f"a{number}.example.com", stage.admin)
    panel = replace(stage.panel, database=counting)
    await domains.guides(panel, app, await domains.listed(panel, app))
    assert counting.count == 2


async def test_visitors_of_a_domain_are_told_what_its_app_is_doing(client, stage, app):
    domain = await domains.add(stage.panel, app, NAME, stage.admin)
    unknown = await client.get("/", headers={"Host": NAME})
    assert unknown.status == 404
    prove(stage, domain)
    await domains.check(stage.panel, app, domain, stage.admin)
    await maintenance.switch(stage.panel, app, stage.admin, on=True)
    answer = await client.get("/", headers={"Host": NAME})
    assert answer.status == 503


@pytest.mark.req("R13.4")
async def test_the_state_of_a_certificate_is_shown_and_told(admin, stage, app):
    domain = await domains.add(stage.panel, app, NAME, stage.admin)
    prove(stage, domain)
    await domains.check(stage.panel, app, domain, stage.admin)
    assert "Certificate:" not in await admin.page(PAGE)
    view = watching.View(frozenset({app.id}))
    before = await watching.fingerprint(stage.panel, view, [])
    async with stage.panel.transaction() as conn:
        await acme_orders.add(conn, NAME, app.id, b"a key", stage.panel.clock.now())
    assert await watching.fingerprint(stage.panel, view, []) != before
    assert 'Certificate: <span class="state issuing">issuing</span>' in await admin.page(PAGE)
    async with stage.panel.transaction() as conn:
        problem = {"problem": "The CA says <no>.", "step": "waiting", "failures": 1}
        await conn.execute(update(orders).where(orders.c.name == NAME).values(problem))
    page = await admin.page(PAGE)
    assert '<span class="state failed">failed</span>. The CA says &lt;no&gt;. <span class="quiet">The next attempt is at ' in page


async def test_a_certificate_is_uploaded_replaced_and_removed_and_its_key_never_shown(admin, stage, app):
    chain, key = pair(NAME)
    assert "Uploaded certificates" not in await admin.page(PAGE)
    assert (await send(admin, do="upload", chain=chain, key=key)).status == 303
    [made] = await uploaded_certificates.listed(stage.panel, app)
    page = await admin.page(PAGE)
    assert f"{made.name} is uploaded, for {NAME}." in page
    assert f'<td data-label="Names">{NAME}</td>' in page
    response = await send(admin, do="upload", chain=chain, key=key)
    said = await response.text()
    assert (response.status, f"{made.name} is for {NAME}, too." in said) == (422, True)
    assert key.splitlines()[1] not in page + said
    chain, key = pair(NAME, "shop.example.com")
    assert (await send(admin, do="upload", chain=chain, key=key, certificate=made.name)).status == 303
    assert f"{NAME}, shop.example.com" in await admin.page(PAGE)
    assert (await send(admin, do="remove certificate", certificate=made.name)).status == 303
    assert await uploaded_certificates.listed(stage.panel, app) == []
    assert (await send(admin, do="remove certificate", certificate=made.name)).status == 422


async def test_automatic_certificates_are_turned_off_and_on(admin, app):
    assert (await send(admin, do="automatic off")).status == 303
    assert "The panel orders no certificates for this app's domains." in await admin.page(PAGE)
    assert (await send(admin, do="automatic on")).status == 303
    assert "orders a certificate for each domain that leads here" in await admin.page(PAGE)


@pytest.mark.req("R13.1", "R13.5")
async def test_a_wildcard_is_added_with_the_record_that_lets_the_panel_prove_it(admin, stage, app):
    response = await send(admin, do="add", name="*.example.com")
    assert response.status == 422
    assert "has no access to DNS, by which wildcards are proved (DNS-01)" in await response.text()
    async with stage.panel.transaction() as conn:
        await factories.domain(conn, app.id, "*.example.com")
    page = await admin.page(PAGE)
    records = {"*.example.com": "hello.localhost", "_acme-challenge.example.com": "token._acme-challenge.localhost"}
    for name, value in records.items():
        assert f'<td data-label="Type">CNAME</td> <td data-label="Name"><code>{name}</code>' in page
        assert f'data-copy="{value}"' in page
    assert "http://*." not in page + await admin.page("/apps/hello")
