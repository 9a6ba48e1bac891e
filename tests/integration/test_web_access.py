"""An app's pages of who has access, of what was done, and its console."""

import re
from dataclasses import replace

import pytest

from skypanel.domain.access import Role
from skypanel.domain.audit import AuditAction
from skypanel.domain.paging import PAGE_SIZE
from skypanel.flow import collaborators, transfer
from skypanel.store import accounts, audit
from tests.support.statements import Counting
from web.keys import PANEL

ACCESS = "/apps/hello/access"


@pytest.fixture(autouse=True)
async def hello(app):
    return app


async def send(client, **fields):
    return await client.send(ACCESS, page="/account", **fields)


async def roles(stage, app):
    return {each.account.email: each.role for each in await collaborators.of(stage.panel, app)}


async def signed_in(new_client, account):
    client = await new_client()
    assert (await client.sign_in(account)).status == 303
    return client


async def test_collaborators_are_added_changed_and_removed(admin, stage, hello):
    bob = await stage.outsider()
    assert "There are none." in await admin.page(ACCESS)
    response = await send(admin, do="add", email=bob.email, role="viewer")
    assert (response.status, response.headers["Location"]) == (303, ACCESS)
    page = await admin.page(ACCESS)
    assert f"{bob.email} has access." in page
    assert f'aria-label="Role of {bob.email}"' in page
    await send(admin, do="add", email=bob.email, role="developer")
    assert await roles(stage, hello) == {bob.email: Role.DEVELOPER}
    await send(admin, do="remove", email=bob.email)
    assert f"{bob.email} has no access to hello any more." in await admin.page(ACCESS)
    assert await roles(stage, hello) == {}


async def test_a_new_collaborator_gets_a_link_that_is_shown_once(admin, new_client):
    response = await send(admin, do="add", email="ada@example.com", role="developer")
    assert response.status == 200
    token = re.search(r"/login\?token=([\w-]+)", await response.text())[1]
    assert token not in await admin.page(ACCESS)
    assert (await (await new_client()).send("/login", token=token)).status == 303


async def test_a_lost_invitation_is_made_again(admin, stage, hello):
    await collaborators.add(stage.panel, hello, "ada@example.com", Role.VIEWER, stage.admin)
    await collaborators.add(stage.panel, hello, (await stage.outsider()).email, Role.VIEWER, stage.admin)
    page = await admin.page(ACCESS)
    assert 'aria-label="Invite ada@example.com again"' in page
    shown = await (await send(admin, do="invite", email="ada@example.com")).text()
    assert "login?token=" in shown
    refused = await send(admin, do="invite", email="nobody@example.com")
    assert refused.status == 422


@pytest.mark.parametrize("role", Role)
async def test_each_role_is_offered_what_it_may_do(new_client, stage, hello, role):
    client = await signed_in(new_client, await stage.member(role))
    await collaborators.add(stage.panel, hello, "ada@example.com", Role.VIEWER, stage.admin)
    page = await client.page(ACCESS)
    assert stage.admin.email in page
    assert ("Add a collaborator" in page) == ("Remove ada@example.com" in page) == (role >= Role.ADMIN)
    assert ("/apps/hello/console" in page) == (role >= Role.DEVELOPER)
    assert "/apps/hello/activity" in page
    await client.page("/apps/hello/console", 200 if role >= Role.DEVELOPER else 403)


async def test_a_collaborator_sees_the_owner_and_may_leave(new_client, stage, hello):
    bob, member = await stage.outsider(), await stage.member(Role.DEVELOPER)
    await collaborators.add(stage.panel, hello, bob.email, Role.VIEWER, stage.admin)
    client = await signed_in(new_client, bob)
    page = await client.page(ACCESS)
    assert stage.admin.email in page
    assert member.email not in page
    assert "/apps/hello/activity" not in page
    assert "Only members of its organization" in await client.page("/apps/hello/activity", 403)
    response = await send(client, do="remove", email=bob.email)
    assert (response.status, response.headers["Location"]) == (303, "/apps")
    await client.page(ACCESS, 404)


async def test_an_offer_is_shown_to_who_may_give_the_app_away(admin, new_client, stage, hello):
    bob = await stage.outsider()
    await transfer.offer(stage.panel, hello, bob, stage.admin)
    other = await signed_in(new_client, await stage.member(Role.ADMIN))
    page = await other.page(ACCESS)
    assert f"Offered to {bob.email}" in page
    assert "Withdraw the offer" not in page
    assert (await send(other, do="withdraw")).status == 403
    viewer = await signed_in(new_client, await stage.member(Role.VIEWER))
    assert "Offered to" not in await viewer.page(ACCESS)
    assert "Withdraw the offer" in await admin.page(ACCESS)
    assert (await send(admin, do="withdraw")).status == 303
    assert "Offered to" not in await admin.page(ACCESS)
    response = await send(admin, do="withdraw")
    assert response.status == 422
    assert "is not offered to anybody" in await response.text()


HOSTILE = ("<script>alert(1)</script>", "\x00", "a@b\n", "'; DROP TABLE paas_accounts; --", "é" * 5_000, "{{ 7 * 7 }}", "")


async def test_whatever_is_sent_nothing_happens_and_nothing_is_markup(admin, stage, hello):
    for text in HOSTILE:
        for fields in (
            {"do": text},
            {"do": "add", "email": text, "role": "viewer"},
            {"do": "add", "email": "ada@example.com", "role": text},
            {"do": "add", "email": "ada@example.com", "role": "owner"},
            {"do": "remove", "email": text},
        ):
            response = await send(admin, **fields)
            assert response.status == 422, fields
            assert "<script>alert" not in await response.text()
    assert await roles(stage, hello) == {}


async def test_the_activity_is_filtered_and_paged(admin, stage, hello):
    async with stage.panel.transaction() as conn:
        ada = await accounts.add(conn, "ada@example.com")
        where = {"organization_id": hello.organization_id, "app_id": hello.id, "app_name": hello.name}
        for number in range(PAGE_SIZE + 10):
            what = {"details": {"branch": f"<b>{number:02}</b>"}, "origin": "ssh 192.0.2.7"}
            await audit.add(conn, AuditAction.APP_PUSH, account_id=ada.id, email=ada.email, **what, **where)
    first = await admin.page("/apps/hello/activity?action=app.push&who=ada@example.com")
    assert first.count("<tr> <td>Pushed") == PAGE_SIZE
    assert "branch &lt;b&gt;59&lt;/b&gt;" in first
    assert "192.0.2.7" not in first
    older = re.search(r'<a href="([^"]*)" rel="next"', first)[1].replace("&amp;", "&")
    assert "who=ada" in older
    second = await admin.page(older)
    assert second.count("<tr> <td>Pushed") == 10
    assert 'rel="prev"' in second
    assert "Created the app" in await admin.page("/apps/hello/activity?who=admin@localhost")
    await admin.page("/apps/hello/activity?before=x", 422)


async def test_each_page_takes_as_many_statements_however_much_there_is(admin, dashboard, stage, hello):
    counting = Counting(stage.panel.database)
    dashboard._state[PANEL] = replace(stage.panel, database=counting)  # noqa: SLF001 - it runs already
    counts = []
    for _ in range(2):
        for end in ("access", "activity", "console"):
            before = counting.count
            await admin.page(f"/apps/hello/{end}")
            counts.append(counting.count - before)
        for number in range(5):
            await collaborators.add(stage.panel, hello, f"person{number}@example.com", Role.VIEWER, stage.admin)
    assert counts[:3] == counts[3:]
    assert max(counts) <= 14, counts


async def test_the_console_page_has_its_script_and_nothing_inline(admin):
    page = await admin.page("/apps/hello/console")
    assert 'data-url="/apps/hello/console/socket"' in page
    assert re.search(r'src="/static/[0-9a-f]{16}/xterm.js"', page)
    assert "<style" not in page
    assert " style=" not in page
    assert "skypanel run hello -- bash" in page
    for name in re.findall(r'(?:src|href)="(/static/[0-9a-f]{16}/(?:xterm[a-z-]*|console)[.](?:js|css))"', page):
        assert (await admin.get(name)).status == 200
