"""Uploaded certificates: what is stored, which are served, and whether the panel orders others, on a real database."""

import pytest
from sqlalchemy import text

from skypanel.domain.certificate import AuthorityError, CertificateState
from skypanel.domain.errors import Conflict, Invalid, NotFound
from skypanel.flow import certificates, settings, uploaded_certificates
from skypanel.store import audit
from tests.support import factories
from tests.support.certificates import NAME, claim, execute, state
from tests.support.pairs import pair

pytestmark = pytest.mark.req("R13.4")

OTHER = "shop.example.com"
MINUTE, DAY = 60, 86400


@pytest.fixture
async def panel(stage):
    return stage.panel


@pytest.fixture
async def hello(stage, panel):
    made = await stage.app()
    await claim(panel, made)
    return made


@pytest.fixture
async def stranger(panel):
    """An app of another organization."""
    async with panel.transaction() as conn:
        return await factories.app(conn, "stranger")


async def add(stage, app, *names):
    chain, key = pair(*names)
    return await uploaded_certificates.add(stage.panel, app, stage.admin, chain=chain, key=key)


async def work(panel, *, rounds=6):
    for _ in range(rounds):
        await certificates.work(panel, "worker")
        panel.clock.advance(1)


async def served(panel):
    """Return the names of the certificates that the proxies have."""
    found = certificates.Served()
    await certificates.refresh(panel, found)
    return sorted(pair.names for pair in found.pairs.values())


async def test_an_uploaded_certificate_is_served_and_none_is_ordered(stage, panel, hello):
    chain, key = pair(NAME)
    added = await uploaded_certificates.add(panel, hello, stage.admin, chain=chain, key=key)
    await work(panel)
    assert panel.authority.asked == []
    found = certificates.Served()
    await certificates.refresh(panel, found)
    [given] = found.pairs.values()
    assert (given.chain, given.key, found.names) == (chain, key, {NAME})
    now = await state(panel)
    assert (now.state, now.until, now.certificate) == (CertificateState.ACTIVE, added.facts.not_after, added)
    async with panel.transaction() as conn:
        [row] = await conn.all(text("SELECT secret FROM paas_certificates"))
        [entry] = [each for each in await audit.recent(conn, 5) if each.action == "certificate.add"]
    assert key.encode() not in bytes(row.secret)
    assert (entry.app_id, entry.details["certificate"], entry.details["names"]) == (hello.id, added.name, [NAME])
    panel.clock.advance(720 * DAY)
    assert (await state(panel)).state is CertificateState.EXPIRING


async def test_one_that_expires_is_followed_by_one_that_the_panel_orders(stage, panel, hello):
    await add(stage, hello, NAME)
    panel.clock.advance(730 * DAY)
    assert await served(panel) == []
    assert (await state(panel)).state is CertificateState.EXPIRED
    await work(panel)
    now = await state(panel)
    assert (now.state, now.certificate.source) == (CertificateState.ACTIVE, "acme")
    assert await served(panel) == [(NAME,)]


async def test_an_upload_goes_before_one_that_the_panel_ordered(stage, panel, hello):
    await work(panel)
    ordered = (await state(panel)).certificate
    added = await add(stage, hello, NAME, OTHER)
    assert await served(panel) == [(NAME, OTHER)]
    assert (await state(panel)).certificate == added
    await uploaded_certificates.remove(panel, hello, added, stage.admin)
    assert await served(panel) == [(NAME,)]
    assert (await state(panel)).certificate == ordered


@pytest.mark.req("R13.2")
async def test_an_upload_never_counts_for_names_of_others(stage, panel, hello, stranger):
    await claim(panel, stranger, OTHER)
    await add(stage, stranger, OTHER, NAME)
    assert await served(panel) == []
    assert (await state(panel)).state is CertificateState.NONE
    await work(panel)
    assert await served(panel) == [(OTHER,), (NAME,)]
    assert (await state(panel)).certificate.app_id == hello.id
    # Once nobody else has the name, it is served; once somebody proves it, no more.
    await execute(panel, "DELETE FROM paas_domains WHERE name = :name", name=NAME)
    assert (OTHER, NAME) in await served(panel)
    await claim(panel, hello)
    assert (OTHER, NAME) not in await served(panel)


@pytest.mark.req("R13.2")
async def test_a_wildcard_serves_the_organization_s_names_until_another_one_proves_one(stage, panel, hello, stranger):
    await add(stage, hello, "*.example.com")
    assert await served(panel) == [("*.example.com",)]
    await work(panel)
    assert panel.authority.asked == []
    await claim(panel, stranger, OTHER)
    assert await served(panel) == []
    assert (await state(panel, OTHER)).certificate is None


async def test_a_certificate_is_not_served_before_its_domain_is_verified(stage, panel):
    app = await stage.app()
    await claim(panel, app, verified=False)
    await add(stage, app, NAME)
    assert await served(panel) == []
    await execute(panel, "UPDATE paas_domains SET verified_at = now()")
    assert await served(panel) == [(NAME,)]


async def test_an_uploaded_certificate_is_replaced_and_removed(stage, panel, hello):
    added = await add(stage, hello, NAME)
    found = certificates.Served()
    await certificates.refresh(panel, found)
    chain, key = pair(NAME, OTHER, days=-1)
    changed = await uploaded_certificates.change(panel, hello, added, stage.admin, chain=chain, key=key)
    assert (changed.id, changed.name, changed.facts.names) == (added.id, added.name, (NAME, OTHER))
    await certificates.refresh(panel, found)
    assert [given.key for given in found.pairs.values()] == [key]
    assert await uploaded_certificates.find(panel, hello, added.name) == changed
    assert await uploaded_certificates.find(panel, hello, str(added.id)) == changed
    await uploaded_certificates.remove(panel, hello, added, stage.admin)
    await certificates.refresh(panel, found)
    assert found.pairs == {}
    with pytest.raises(NotFound, match="no certificate"):
        await uploaded_certificates.find(panel, hello, added.name)
    with pytest.raises(NotFound, match="no certificate"):
        await uploaded_certificates.remove(panel, hello, added, stage.admin)
    with pytest.raises(NotFound, match="no such certificate"):
        await uploaded_certificates.change(panel, hello, added, stage.admin, chain=chain, key=key)


async def test_what_cannot_be_uploaded(stage, panel, hello, monkeypatch):
    chain, key = pair(NAME)
    for given, message in (
        ((chain, pair(NAME)[1]), "not the one of this certificate"),
        (pair(NAME, days=-800), "expired on"),
        (pair(NAME, days=2), "not valid before"),
        (pair("hello.localhost"), "cannot be served"),
        ((f"{chain}{'x' * 100_000}", key), "chain is too long"),
    ):
        with pytest.raises(Invalid, match=message) as error:
            await uploaded_certificates.add(panel, hello, stage.admin, chain=given[0], key=given[1])
        assert "PRIVATE" not in f"{error.value} {error.value.hint}"
    first = await add(stage, hello, NAME)
    with pytest.raises(Conflict, match=f"{first.name} is for {NAME}, too"):
        await add(stage, hello, OTHER, NAME)
    second = await add(stage, hello, OTHER)
    with pytest.raises(Conflict, match=f"{first.name} is for {NAME}, too"):
        await uploaded_certificates.change(panel, hello, second, stage.admin, chain=chain, key=key)
    monkeypatch.setattr(uploaded_certificates, "MAX_CERTIFICATES", 2)
    with pytest.raises(Conflict, match="which is the most"):
        await add(stage, hello, "other.example.com")


async def test_one_that_the_panel_ordered_is_listed_and_left_alone(stage, panel, hello):
    await work(panel)
    [ordered] = await uploaded_certificates.listed(panel, hello)
    assert ordered == (await state(panel)).certificate
    chain, key = pair(NAME)
    with pytest.raises(Conflict, match="by itself"):
        await uploaded_certificates.change(panel, hello, ordered, stage.admin, chain=chain, key=key)
    with pytest.raises(Conflict, match="by itself"):
        await uploaded_certificates.remove(panel, hello, ordered, stage.admin)


async def test_automatic_certificates_of_an_app_can_be_turned_off_and_on(stage, panel, hello):
    await work(panel)
    await claim(panel, hello, OTHER)
    await certificates.work(panel, "worker")
    assert not (await uploaded_certificates.automate(panel, hello, stage.admin, on=False)).automatic_certificates
    assert await served(panel) == []
    asked = len(panel.authority.asked)
    await work(panel)
    assert len(panel.authority.asked) == asked
    assert (await state(panel)).state is CertificateState.NONE
    assert (await uploaded_certificates.automate(panel, hello, stage.admin, on=True)).automatic_certificates
    await work(panel)
    assert await served(panel) == [(OTHER,), (NAME,)]
    async with panel.transaction() as conn:
        entries = [each.details for each in await audit.recent(conn, 20) if each.action == "certificate.automate"]
    assert entries == [{"on": True}, {"on": False}]


async def test_failed_orders_are_tried_again_on_demand_but_not_more_often_than_a_ca_likes(stage, panel, hello):
    refused = AuthorityError("The certificate authority says: no", code="unauthorized")

    async def orders():
        await certificates.work(panel, "worker")
        return panel.authority.asked.count("order")

    for _ in range(7):
        panel.authority.fails["order"] = refused
        tried = await orders()
        panel.clock.advance(32 * MINUTE)
    await uploaded_certificates.order_again(panel, hello, stage.admin)
    panel.authority.fails["order"] = refused
    assert await orders() == tried + 1
    # It failed just now.
    panel.clock.advance(9 * MINUTE)
    await uploaded_certificates.order_again(panel, hello, stage.admin)
    assert await orders() == tried + 1
    panel.clock.advance(MINUTE)
    await uploaded_certificates.order_again(panel, hello, stage.admin)
    await work(panel)
    assert (await state(panel)).state is CertificateState.ACTIVE


async def test_no_demand_overrules_the_time_that_a_ca_names(stage, panel, hello):
    panel.authority.fails["order"] = AuthorityError("slowly", code="rateLimited", retry_after=uploaded_certificates.REFRESH_PAUSE * 18)
    await certificates.work(panel, "worker")
    panel.clock.advance(179 * MINUTE)
    await uploaded_certificates.order_again(panel, hello, stage.admin)
    asked = len(panel.authority.asked)
    await certificates.work(panel, "worker")
    assert len(panel.authority.asked) == asked


async def test_the_api_has_certificates_as_heroku_s_cli_reads_them(api, stage, panel, hello):
    await settings.change(panel, stage.admin, {"acme_directory": ""})
    chain, key = pair(NAME)
    body = {"certificate_chain": chain, "private_key": key}
    made = await (await api.call("POST", "/apps/hello/sni-endpoints", body, status=201)).json()
    [domain] = [each for each in await api.get("/apps/hello/domains") if each["kind"] == "custom"]
    assert made["domains"] == [domain["id"]]
    assert domain["sni_endpoint"] == {"id": made["id"], "name": made["name"]}
    assert domain["acm_status"] == "cert issued"
    told = made["ssl_cert"]
    assert (told["cert_domains"], told["acm"], told["ca_signed?"], told["self_signed?"]) == ([NAME], False, False, False)
    assert (told["subject"], told["issuer"]) == (f"CN={NAME}", "CN=SkyPanel at example.com")
    assert key.splitlines()[1] not in str(made)
    assert await api.get("/apps/hello/sni-endpoints") == [made]
    assert await api.get(f"/apps/hello/sni-endpoints/{made['id']}") == made
    await api.call("PATCH", f"/apps/hello/domains/{NAME}", {"sni_endpoint": made["name"]}, status=200)
    await api.call("PATCH", f"/apps/hello/domains/{NAME}", {"sni_endpoint": "certificate-00000000"}, status=404)
    await claim(panel, hello, OTHER)
    await api.call("PATCH", f"/apps/hello/domains/{OTHER}", {"sni_endpoint": made["name"]}, status=422)
    await api.call("DELETE", f"/apps/hello/sni-endpoints/{made['name']}", status=200)
    assert await api.get("/apps/hello/sni-endpoints") == []
    assert (await api.get("/apps/hello"))["acm"] is True
    assert (await (await api.call("DELETE", "/apps/hello/acm", status=200)).json())["acm"] is False
    assert (await api.get(f"/apps/hello/domains/{NAME}"))["acm_status"] is None
    assert (await (await api.call("POST", "/apps/hello/acm", {}, status=200)).json())["acm"] is True
    refreshed = await api.call("PATCH", "/apps/hello/acm", {"acm_refresh": True}, status=200)
    assert await refreshed.json() == await api.get("/apps/hello/acm")
