"""The administrators' pages of the whole panel: overview, people, queue and alerts."""

import csv
import io
import re

import pytest
from sqlalchemy import delete

from skypanel.domain.alert import AlertKind, Problem
from skypanel.domain.audit import AuditAction
from skypanel.embedded.finding import Finding
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import passwords
from skypanel.flow import settings as settings_flow
from skypanel.store import accounts, alerts, audit
from skypanel.store.tables.organizations import organizations

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def ada(stage):
    async with stage.panel.transaction() as conn:
        return await accounts.add(conn, "ada@example.com")


def place(account):
    return f"/admin/people/{account.id}"


@pytest.mark.req("R1.1", "R1.5")
async def test_the_overview_is_right_with_nothing_in_the_database(admin, stage):
    async with stage.panel.transaction() as conn:
        await conn.execute(delete(organizations))
    page = await admin.page("/admin")
    for number, what in ((0, "organizations"), (1, "person"), (0, "running")):
        assert f"<strong>{number}</strong> {what}" in page
    for number, what in ((0, "app"), (0, "dyno")):
        assert re.search(rf"<strong>{number}</strong> {what}s", page)
    assert "billing is off" in page


async def test_the_overview_says_what_is_wrong(admin, stage, app):
    async with stage.panel.transaction() as conn:
        await alerts.add(conn, AlertKind.NODE_INACTIVE, Problem("one", f"The node {HOSTILE} is down."))
    page = await admin.page("/admin")
    assert HOSTILE not in page
    assert "The node &lt;script&gt;" in page
    assert "Created the app" in page


async def test_people_are_found_and_paged(admin, stage):
    async with stage.panel.transaction() as conn:
        for number in range(60):
            await accounts.add(conn, f"crowd{number:02}@example.com")
    page = await admin.page("/admin/people?q=crowd")
    assert len(re.findall(r">crowd\d\d@example.com</a>", page)) == 50
    [following] = re.findall(r'<a href="([^"]*)" rel="next"', page)
    page = await admin.page(following.replace("&amp;", "&"))
    assert len(re.findall(r">crowd\d\d@example.com</a>", page)) == 10
    assert 'rel="prev"' in page
    for strange in ("?q=%00", "?page=x", "?page=99999999", "?q=%3Cscript%3E"):
        assert "<script>" not in (await (await admin.get(f"/admin/people{strange}")).text()).partition("<main")[2]


async def test_somebody_is_invited_and_their_link_shown_once(admin, new_client, stage):
    response = await admin.send("/admin/people", page="/admin/people", email="Grace@example.com")
    page = await response.text()
    assert response.status == 200
    [link] = re.findall(r"http\S*/login\?token=[\w-]+", page)[:1]
    assert link.partition("=")[2] not in await admin.page("/admin/people")
    visitor = await new_client()
    assert (await visitor.send("/login", token=link.partition("=")[2])).status == 303
    refused = await admin.send("/admin/people", page="/admin/people", email="no address")
    assert (refused.status, 'value="no address"' in await refused.text()) == (422, True)


async def test_an_account_is_disabled_enabled_promoted_and_demoted(admin, new_client, stage, ada):
    hers = await new_client()
    await hers.sign_in(ada)
    await hers.page("/account")
    for button, shown in (
        ("promote", "state administrator"),
        ("demote", "ada@example.com is no longer an administrator"),
        ("disable", "state disabled"),
    ):
        assert (await admin.send(place(ada), page=place(ada), do=button)).status == 303
        assert shown in await admin.page(place(ada))
    assert (await hers.get("/account", allow_redirects=False)).status == 303
    assert 'class="state disabled"' in await admin.page("/admin/people?q=ada")
    assert (await admin.send(place(ada), page=place(ada), do="enable")).status == 303
    response = await admin.send(place(ada), page=place(ada), do="burn")
    assert response.status == 422


async def test_nobody_locks_themselves_out(admin, stage):
    mine = place(stage.admin)
    page = await admin.page(mine)
    assert 'value="disable"' not in page
    for button in ("disable", "demote"):
        response = await admin.send(mine, page=mine, do=button)
        assert (response.status, "your own account" in await response.text()) == (422, True)


async def test_a_reset_gives_a_link_and_ends_the_password(admin, stage, ada):
    await passwords.reset(stage.panel, ada, "a good long password")
    response = await admin.send(place(ada), page=place(ada), do="reset")
    [link] = re.findall(r"/login\?token=([\w-]+)", await response.text())[:1]
    assert not await passwords.is_set(stage.panel, ada)
    assert await accounts_flow.sign_in_by_link(stage.panel, link, "192.0.2.7", "")


async def test_the_queue_shows_what_runs_and_waits_and_cancels(admin, stage, app):
    assert "Nothing runs and nothing waits" in await admin.page("/admin/queue")
    build = await stage.push(app, "second")
    page = await admin.page("/admin/queue")
    assert "0 running, 1 waiting." in page
    assert 'class="state pending"' in page
    sent = {"kind": "build", "id": str(build.id)}
    assert (await admin.send("/admin/queue", page="/admin/people", **sent)).status == 303
    assert "The build of hello is cancelled." in await admin.page("/admin/queue")
    response = await admin.send("/admin/queue", page="/admin/people", **sent)
    assert (response.status, "has ended already" in await response.text()) == (422, True)
    for strange in ({"kind": "x", "id": "y"}, {"kind": "rollout", "id": str(build.id)}, {}):
        assert (await admin.send("/admin/queue", page="/admin/people", **strange)).status == 422


async def test_an_alert_is_resolved_once(admin, stage):
    async with stage.panel.transaction() as conn:
        await alerts.add(conn, AlertKind.NODE_INACTIVE, Problem("one", "The node one is down."))
        [alert] = await alerts.open_(conn)
    sent = await admin.send("/admin/alerts", page="/admin/alerts", do="resolve", id=str(alert.id))
    assert (sent.status, sent.headers["Location"]) == (303, "/admin/alerts")
    assert 'aria-label="Resolve' not in await admin.page("/admin/alerts")
    for wrong, status in ((str(alert.id), 404), ("x", 422)):
        assert (await admin.send("/admin/alerts", page="/admin/plans", do="resolve", id=wrong)).status == status
    async with stage.panel.transaction() as conn:
        assert await alerts.open_(conn) == []
        assert (await audit.recent(conn, 1))[0].action == "alert.resolve"


async def test_alerts_are_listed(admin, stage):
    assert "No alerts" in await admin.page("/admin/alerts")
    async with stage.panel.transaction() as conn:
        await alerts.add(conn, AlertKind.NODE_INACTIVE, Problem("one", "The node one is down."))
        await alerts.add(conn, AlertKind.NODE_INACTIVE, Problem("two", "The node two is down."))
        await alerts.resolve(conn, AlertKind.NODE_INACTIVE, "one")
    page = await admin.page("/admin/alerts")
    assert page.index("The node two") < page.index("The node one")
    assert 'class="state resolved"' in page


async def test_the_audit_log_is_filtered_paged_and_exported(admin, stage, app):
    async with stage.panel.transaction() as conn:
        for number in range(60):
            await audit.add(conn, AuditAction.APP_PUSH, email="eve@example.com", app_name="=cmd()", details={"note": f"{HOSTILE}{number}"})
    page = await admin.page("/admin/audit?who=eve@example.com&action=app.push&app=%3Dcmd()")
    assert len(re.findall(r"<td>Pushed</td>", page)) == 50
    assert HOSTILE not in page
    [older] = re.findall(r'<a href="([^"]*)" rel="next"', page)
    page = await admin.page(older.replace("&amp;", "&"))
    assert len(re.findall(r"<td>Pushed</td>", page)) == 10
    assert 'rel="prev"' in page
    page = await admin.page("/admin/audit?organization=main&since=2020-01-01&until=2999-12-31")
    assert "Created the app" in page
    assert "Pushed" not in page.partition("<tbody>")[2]
    assert "Nothing" in await admin.page("/admin/audit?until=2020-01-01")
    response = await admin.get("/admin/audit/csv?who=eve@example.com")
    rows = list(csv.reader(io.StringIO(await response.text())))
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert (len(rows), rows[0][:4]) == (61, ["time", "action", "who", "app"])
    assert {row[3] for row in rows[1:]} == {"'=cmd()"}


@pytest.mark.parametrize("query", ["since=x", "until=2026-13-01", "organization=Nobodys", "since=%00"])
async def test_a_filter_that_cannot_be_is_told(admin, query):
    assert 'role="alert"' in await admin.page(f"/admin/audit?{query}", 422)
    assert (await admin.get(f"/admin/audit/csv?{query}")).status in {404, 422}


@pytest.mark.parametrize("query", ["before=x", "after=99999999999999999999", "before=-1", "who=%00", "action=%3Cb%3E"])
async def test_a_strange_filter_finds_nothing_or_is_ignored(admin, query):
    response = await admin.get(f"/admin/audit?{query}")
    assert response.status in {200, 422}
    assert "<b>" not in await response.text()


async def test_wallets_are_credited_and_organizations_exempted(admin, stage, main):
    await settings_flow.change(stage.panel, stage.admin, {"billing": "true", "currency": "$"})
    assert "does not pay" in await admin.page("/admin/billing")
    for fields in (
        {"do": "charge", "organization": str(main.id)},
        {"do": "credit", "organization": "main", "amount": "12.50", "note": "invoice 7"},
    ):
        assert (await admin.send("/admin/billing", page="/admin/billing", **fields)).status == 303
    page = await admin.page("/admin/billing")
    assert "Main has $112.50." in page
    assert "$112.50</td>" in page
    for fields, said in (
        ({"do": "credit", "organization": "Nobodys", "amount": "1"}, "There is no organization"),
        ({"do": "credit", "organization": "Main", "amount": HOSTILE}, "Write it like this"),
        ({"do": "burn", "organization": "Main"}, "Use one of the buttons"),
    ):
        response = await admin.send("/admin/billing", page="/admin/billing", **fields)
        text = await response.text()
        assert (response.status, said in text, HOSTILE in text) == (422, True, False)


async def test_what_doctor_finds_is_shown_worst_first(admin, findings):
    assert "All is well" in await admin.page("/admin/health")
    findings += [
        Finding("disk", "Only 1.0G are free.", "Make room.", is_warning=True),
        Finding("git", f"It is not there: {HOSTILE}", "apt-get"),
    ]
    page = await admin.page("/admin/health")
    assert page.index("It is not there") < page.index("Only 1.0G")
    assert HOSTILE not in page
