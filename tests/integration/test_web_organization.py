"""An organization's pages for its members: overview, people, activity, settings, and how one is made."""

import re

import pytest

from skypanel.domain.access import Role
from skypanel.flow import organizations
from skypanel.store import accounts
from tests.support.organizations import app_names, exists


def path(organization, end=""):
    return f"/organizations/{organization.id}{end}"


async def send(client, organization, end, page="/people", **fields):
    return await client.send(path(organization, end), page=path(organization, page), **fields)


async def roles(stage, organization):
    return {each.account.email: each.role for each in await organizations.members(stage.panel, organization)}


async def as_member(new_client, stage, organization, role, email="ada@example.com"):
    await organizations.add_member(stage.panel, organization, email, role, stage.admin)
    async with stage.panel.transaction() as conn:
        account = await accounts.by_email(conn, email)
    client = await new_client()
    assert (await client.sign_in(account)).status == 303
    return client


async def plain(client, url):
    """Return a page without the attributes of its cells."""
    return re.sub(r"<td[^>]*>", "<td>", await client.page(url))


@pytest.mark.req("R16.1", "R16.2", "R16.4")
async def test_the_overview_has_the_apps_and_what_they_use(admin, acme):
    page = await plain(admin, path(acme))
    assert "<strong>2</strong> apps" in page
    assert "<strong>1</strong> member" in page
    assert re.search(r"<strong>0.00 USD</strong> this month", page)
    row = r'<td><a href="/apps/rocket">rocket</a></td> <td>1</td> <td>1</td> <td>512.0M</td> <td>0.0\d</td> <td>0.00 USD</td>'
    assert re.search(row, page)
    assert '<td><a href="/apps/early">early</a></td> <td>0</td> <td>0</td>' in page
    assert 'aria-current="page">Overview' in page


async def test_without_any_apps_it_says_how_to_begin(admin, main):
    page = await admin.page(path(main))
    assert "No apps yet" in page
    assert "skypanel create NAME" in page


async def test_members_are_added_changed_and_removed(admin, new_client, stage, acme):
    bob = await stage.outsider()
    response = await send(admin, acme, "/people", do="add", email=bob.email.upper(), role="viewer")
    assert (response.status, response.headers["Location"]) == (303, path(acme, "/people"))
    assert f"{bob.email} is a member." in await admin.page(path(acme, "/people"))
    await send(admin, acme, "/people", do="change", email=bob.email, role="admin")
    assert "is an admin now." in await admin.page(path(acme, "/people"))
    assert await roles(stage, acme) == {stage.admin.email: Role.OWNER, bob.email: Role.ADMIN}
    await send(admin, acme, "/people", do="remove", email=bob.email)
    assert await roles(stage, acme) == {stage.admin.email: Role.OWNER}


async def test_a_new_member_gets_a_link_that_is_shown_once(admin, new_client, stage, acme):
    response = await send(admin, acme, "/people", do="add", email="ada@example.com", role="developer")
    assert response.status == 200
    token = re.search(r"/login\?token=([\w-]+)", await response.text())[1]
    page = await admin.page(path(acme, "/people"))
    assert token not in page
    assert 'class="state invited">invited' in page
    response = await send(admin, acme, "/people", do="invite", email="ada@example.com")
    second = re.search(r"/login\?token=([\w-]+)", await response.text())[1]
    visitor = await new_client()
    assert (await visitor.send("/login", token=token)).status >= 400
    assert (await visitor.send("/login", token=second)).status == 303
    response = await send(admin, acme, "/people", do="invite", email="ada@example.com")
    assert response.status == 422
    assert "has signed in before" in await response.text()


async def test_who_is_no_administrator_of_the_panel_makes_no_accounts(new_client, stage, acme):
    client = await as_member(new_client, stage, acme, Role.OWNER)
    response = await send(client, acme, "/people", do="add", email="new@example.com", role="viewer")
    assert response.status == 422
    page = await response.text()
    assert "new@example.com has no account here." in page
    assert 'value="new@example.com"' in page
    assert 'value="invite"' not in await client.page(path(acme, "/people"))


@pytest.mark.parametrize(("role", "offered"), [(Role.VIEWER, 0), (Role.DEVELOPER, 0), (Role.ADMIN, 3), (Role.OWNER, 4)])
async def test_each_role_is_offered_what_it_may_do(new_client, stage, acme, role, offered):
    client = await as_member(new_client, stage, acme, role)
    page = await client.page(path(acme, "/people"))
    form = page.partition('aria-labelledby="add"')[2]
    assert form.count("<option") == offered
    assert ">Leave<" in page
    assert ('value="change"' in page) == (role >= Role.ADMIN)
    settings = await client.page(path(acme, "/settings"))
    assert (path(acme, "/rename") in settings) == (path(acme, "/delete") in settings) == (role is Role.OWNER)
    assert ">Billing<" in page or role < Role.ADMIN


async def test_whoever_leaves_comes_to_the_list_of_apps(new_client, stage, acme):
    client = await as_member(new_client, stage, acme, Role.VIEWER)
    response = await send(client, acme, "/people", do="remove", email="ada@example.com")
    assert (response.status, response.headers["Location"]) == (303, "/apps")
    assert "You have left Acme." in await client.page("/apps")
    await client.page(path(acme), 404)


async def test_the_last_owner_stays(admin, stage, acme):
    for fields in ({"do": "remove"}, {"do": "change", "role": "viewer"}):
        response = await send(admin, acme, "/people", email=stage.admin.email, **fields)
        assert response.status == 422
        assert "last owner of Acme" in await response.text()
    assert await roles(stage, acme) == {stage.admin.email: Role.OWNER}


HOSTILE = ("<script>alert(1)</script>", "\x00", "a@b\n", "'; DROP TABLE paas_accounts; --", "é" * 5_000, "{{ 7 * 7 }}", "")


async def test_whatever_is_sent_nothing_happens_and_nothing_is_markup(admin, stage, acme):
    before = await roles(stage, acme)
    for text in HOSTILE:
        for end, fields in (
            ("/people", {"do": text}),
            ("/people", {"do": "add", "email": text, "role": "viewer"}),
            ("/people", {"do": "add", "email": "ada@example.com", "role": text}),
            ("/people", {"do": "change", "email": text, "role": "viewer"}),
            ("/people", {"do": "remove", "email": text}),
            ("/people", {"do": "invite", "email": text}),
            ("/rename", {"name": text}),
            ("/delete", {"confirm": text}),
            ("/delete", {"confirm": "Acme", "apps": text}),
            ("/delete", {"confirm": "Acme", "apps": "reassign", "to": text}),
        ):
            response = await send(admin, acme, end, **fields)
            assert response.status == 422, (end, fields)
            assert "<script>alert" not in await response.text()
    assert await roles(stage, acme) == before
    assert await app_names(stage, acme) == ["early", "rocket"]


async def test_the_activity_says_who_did_what_and_is_filtered(admin, new_client, stage, acme):
    client = await as_member(new_client, stage, acme, Role.ADMIN)
    await send(client, acme, "/people", do="change", email=stage.admin.email, role="viewer")
    await send(client, acme, "/people", do="remove", email="ada@example.com")
    page = await admin.page(path(acme, "/activity"))
    rows = re.findall(r"<tr> <td>([^<]*)", page)
    assert rows[0] == "Removed a member"
    assert rows.count("Created the app") == 2
    assert "<td>rocket</td>" in page
    assert re.search(r"member ada@example.com</span>.*?<td>ada@example.com</td>", page)
    only = await admin.page(path(acme, "/activity?action=app.create&who=ADMIN@localhost"))
    assert set(re.findall(r"<tr> <td>([^<]*)", only)) == {"Created the app"}
    assert '<option value="app.create" selected>' in only
    assert "Nothing is here" in await admin.page(path(acme, "/activity?who=%3Cb%3E"))
    assert "192.0.2" not in page


async def test_owners_rename_it(admin, stage, acme):
    response = await send(admin, acme, "/rename", page="/settings", name="Acme Works")
    assert response.status == 303
    page = await admin.page(path(acme, "/settings"))
    assert "It is called Acme Works now." in page
    assert "<h1>Acme Works" in page
    response = await send(admin, acme, "/rename", page="/settings", name="Main")
    assert response.status == 422
    page = await response.text()
    assert "The name Main is taken." in page
    assert 'value="Main"' in page


@pytest.mark.req("R4.4", "R16.3")
async def test_owners_delete_it_with_its_name_typed_and_its_apps_provided_for(admin, stage, main, acme):
    for fields, line in (
        ({"confirm": "acme", "apps": "destroy"}, "confirm with is Acme"),
        ({"confirm": "Acme"}, "Choose what happens to them"),
        ({"confirm": "Acme", "apps": "reassign", "to": str(acme.id)}, "name another organization"),
    ):
        response = await send(admin, acme, "/delete", page="/settings", **fields)
        assert response.status == 422
        assert line in await response.text()
    response = await send(admin, acme, "/delete", page="/settings", confirm="Acme", apps="reassign", to=str(main.id))
    assert (response.status, response.headers["Location"]) == (303, "/apps")
    assert not await exists(stage, acme)
    assert await app_names(stage, main) == ["early", "rocket"]
    assert "Acme is deleted." in await admin.page("/apps")
    response = await send(admin, main, "/delete", page="/settings", confirm="Main", apps="destroy")
    assert response.status == 303
    assert not await exists(stage, main)


async def test_everybody_makes_an_organization_of_their_own(client, stage):
    await client.sign_in(await stage.outsider())
    response = await client.send("/organizations/new", page="/organizations/new", name="Theirs")
    location = response.headers["Location"]
    assert (response.status, location[:15]) == (303, "/organizations/")
    page = await client.page(location)
    assert "Theirs is yours." in page
    assert "<h1>Theirs" in page
    for name in ("theirs", "<b>", "a" * 61):
        response = await client.send("/organizations/new", page="/organizations/new", name=name)
        assert response.status == 422
        assert "<b>" not in await response.text()


async def test_switching_leads_from_one_organization_to_the_other(admin, acme, main):
    for here, location in ((path(main, "/people"), path(acme)), ("/apps", "/apps"), ("//example.com", "/apps")):
        response = await admin.send("/switch", page="/account", organization=str(acme.id), next=here)
        assert (response.status, response.headers["Location"]) == (303, location)
    assert f'href="{path(acme)}"' in await admin.page("/apps")


async def test_people_of_other_organizations_find_nothing(new_client, stage, acme, main):
    client = await as_member(new_client, stage, main, Role.OWNER)
    nobodys = "00000000-0000-0000-0000-000000000000"
    for end in ("", "/people", "/usage", "/billing", "/activity", "/settings"):
        theirs, none = await client.page(path(acme, end), 404), await client.page(f"/organizations/{nobodys}{end}", 404)
        ids = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}"
        assert re.sub(ids, "", theirs) == re.sub(ids, "", none)


async def test_an_administrator_who_is_no_member_is_led_to_the_page_of_the_platform(admin, new_client, stage, acme):
    owner = await as_member(new_client, stage, acme, Role.OWNER)
    await organizations.remove_member(stage.panel, acme, stage.admin.email, stage.admin)
    response = await admin.get(path(acme), allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (307, f"/admin{path(acme)}")
    assert "Acme" in await admin.page(f"/admin{path(acme)}")
    await admin.page(path(acme, "/people"), 404)
    await admin.page("/organizations/00000000-0000-0000-0000-000000000000", 404)
    await owner.page(path(acme))


async def test_forms_need_a_session_and_its_token(admin, new_client, stage, acme):
    stranger = await new_client()
    fields = {"do": "remove", "email": stage.admin.email, "form_token": "0" * 64}
    for client in (admin, stranger):
        for end in ("/people", "/rename", "/delete"):
            assert (await client.post(path(acme, end), data=fields, headers={"Origin": "http://skypanel.localhost:8080"})).status == 403
    response = await stranger.get(path(acme), allow_redirects=False)
    assert response.headers["Location"] == f"/login?next={path(acme)}"
