"""The administrators' pages of organizations, and what others see of one that is suspended."""

import re

import pytest

from skypanel.domain.access import Role
from skypanel.flow import organizations, suspension
from skypanel.store import organizations as stored
from tests.support import factories
from tests.support.organizations import app_names, exists

ORIGIN = "http://skypanel.localhost:8080"


def path(organization, end=""):
    return f"/admin/organizations/{organization.id}{end}"


async def send(client, organization, end, **fields):
    return await client.send(path(organization, end), page=path(organization), **fields)


async def plain(client, url):
    """Return a page without the labels that narrow windows show."""
    return re.sub(r' data-label="[A-Za-z ]+"', "", await client.page(url))


@pytest.mark.req("R1.1", "R1.5")
async def test_without_any_apps_the_overview_is_valid(admin, stage, main):
    assert "1 in all, page 1 of 1." in await admin.page("/admin/organizations")
    assert '<td class="number">1</td><td class="number">0</td><td class="number">0.00 USD</td>' in await plain(
        admin, "/admin/organizations"
    )
    assert "It has no apps, and had none this month." in await admin.page(path(main))
    async with stage.panel.transaction() as conn:
        await stored.remove(conn, main.id)
    assert "No organizations" in await admin.page("/admin/organizations")


@pytest.mark.req("R16.1", "R16.2")
async def test_the_list_has_the_apps_and_the_cost_of_each(admin, stage, main, acme):
    page = await plain(admin, "/admin/organizations")
    page = page.replace(' class="number"', "")
    assert f'<a href="{path(acme)}">Acme</a></td> <td>1</td><td>2</td><td>0.00 USD</td>' in page
    assert f'<a href="{path(main)}">Main</a></td> <td>1</td><td>0</td><td>0.00 USD</td>' in page
    assert 'href="/admin"' in page


@pytest.mark.req("R16.1")
async def test_the_list_is_paged_to_its_end(admin, stage, main):
    async with stage.panel.transaction() as conn:
        for number in range(110):
            await factories.organization(conn, name=f"Org {number:03} & more")
    found, url = [], "/admin/organizations"
    while url:
        page = await admin.page(url)
        found += re.findall(r'<td><a href="/admin/organizations/[^"]*">([^<]*)</a>', page)
        url = (re.findall(r'<a href="(/admin/organizations\?page=[^"]*)" rel="next"', page) or [None])[0]
    assert found == ["Main", *(f"Org {number:03} &amp; more" for number in range(110))]


@pytest.mark.req("R16.4")
async def test_the_page_of_one_shows_what_it_uses(admin, stage, acme):
    page = await plain(admin, path(acme))
    assert re.search(r"<td>rocket</td><td>1</td><td>1</td><td>512.0M</td><td>0.0\d</td><td>0\.0\d USD</td>", page)
    assert "<td>early</td><td>0</td><td>0</td><td>0B</td><td>0.00</td><td>0.00 USD</td>" in page
    assert "<td>Total</td><td>1</td><td>1</td><td>512.0M</td>" in page
    assert f"<span>{stage.admin.email}</span>" in page


@pytest.mark.req("R16.5")
async def test_buttons_suspend_and_resume_all_apps(admin, stage, acme):
    assert (await send(admin, acme, "/change", change="suspend")).status == 303
    await stage.work()
    assert await stage.panel.scheduler.dynos() == []
    page = await admin.page(path(acme))
    assert "An administrator suspended it: its apps are stopped," in page
    assert 'value="suspend"' not in page
    assert 'class="state suspended">suspended' in await admin.page("/admin/organizations")
    assert (await send(admin, acme, "/change", change="resume")).status == 303
    await stage.work()
    assert len(await stage.panel.scheduler.dynos()) == 1


@pytest.mark.req("R16.5")
async def test_everybody_is_told_which_stop_it_is_and_what_to_do(admin, new_client, stage, acme):
    await suspension.hold(stage.panel, acme, stage.admin)
    await stage.work()
    by = await stage.outsider()
    await organizations.add_member(stage.panel, acme, by.email, Role.OWNER, stage.admin)
    client = await new_client()
    await client.sign_in(by)
    reason = "an administrator of this panel suspended its organization"
    assert 'class="state suspended">suspended' in await client.page("/apps")
    page = await client.page("/apps/rocket")
    assert f"It is stopped: {reason}." in page
    assert "the wallet of its organization" not in page
    assert "An administrator of this panel suspended its apps." in await client.page(f"/organizations/{acme.id}")
    response = await client.send("/apps/rocket/scale", page="/account", type="web", quantity="2")
    assert response.status == 403
    assert reason in await response.text()
    response = await client.get("/", headers={"Host": "rocket.localhost:8080"})
    assert response.status == 503
    assert reason not in await response.text(), "a visitor is told why"


@pytest.mark.req("R4.4", "R16.3")
async def test_the_form_asks_what_becomes_of_the_apps(admin, stage, main, acme):
    page = await admin.page(path(acme))
    assert "What happens to its 2 apps?" in page
    assert "What becomes of" not in await admin.page(path(main))
    for fields, line in (
        ({}, "The name to confirm with is Acme"),
        ({"confirm": "Acme"}, "Choose what happens to them: destroy, or reassign to another organization."),
        ({"apps": "destroy", "confirm": ""}, "The name to confirm with is Acme"),
        ({"apps": "destroy", "confirm": "Main"}, "The name to confirm with is Acme"),
        ({"apps": "reassign", "to": "", "confirm": "Acme"}, "There is no organization"),
        ({"apps": "reassign", "to": "Acme", "confirm": "Acme"}, "name another organization that gets them"),
    ):
        response = await send(admin, acme, "/delete", **fields)
        assert response.status == 422
        assert line in await response.text()
        assert await app_names(stage, acme) == ["early", "rocket"]


@pytest.mark.req("R4.4", "R16.3")
async def test_the_apps_go_to_another_organization(admin, stage, main, acme):
    response = await send(admin, acme, "/delete", apps="reassign", to="Main", confirm="Acme")
    assert (response.status, response.headers["Location"]) == (303, "/admin/organizations")
    assert not await exists(stage, acme)
    assert await app_names(stage, main) == ["early", "rocket"]
    await admin.page(path(acme), 404)


@pytest.mark.req("R4.4", "R16.3")
async def test_the_apps_are_destroyed(admin, stage, main, acme):
    assert (await send(admin, acme, "/delete", apps="destroy", confirm="Acme", to="")).status == 303
    assert not await exists(stage, acme)
    assert await stage.panel.scheduler.dynos() == []
    assert (await send(admin, main, "/delete", confirm="Main")).status == 303
    assert not await exists(stage, main)


HOSTILE = ("<script>alert(1)</script>", "\x00", "Acme\n", "'; DROP TABLE paas_organizations; --", "é" * 5_000, "../../nodes", "{{ 7 * 7 }}")


@pytest.mark.parametrize("text", HOSTILE)
async def test_whatever_is_sent_nothing_happens_and_nothing_is_markup(admin, stage, acme, text):
    for end, fields in (
        ("/delete", {"apps": text, "confirm": "Acme"}),
        ("/delete", {"apps": "destroy", "confirm": text}),
        ("/delete", {"apps": "reassign", "to": text, "confirm": "Acme"}),
        ("/change", {"change": text}),
    ):
        response = await send(admin, acme, end, **fields)
        assert response.status == 422
        assert "<script>" not in await response.text()
    assert await app_names(stage, acme) == ["early", "rocket"]
    assert len(await stage.panel.scheduler.dynos()) == 1


@pytest.mark.parametrize("place", ["x", "%00", f"{'0' * 8}-{'0' * 4}-{'0' * 4}-{'0' * 4}-{'0' * 12}", "Acme"])
async def test_there_is_no_page_of_what_is_no_organization(admin, acme, place):
    assert (await admin.get(f"/admin/organizations/{place}", allow_redirects=False)).status == 404


async def test_a_strange_page_of_the_list_is_no_error(admin, acme):
    for strange in ("q=%00", "q=%ff", "page=Zzz", "q=<b>", "q='", "page=-1"):
        response = await admin.get(f"/admin/organizations?{strange}")
        assert response.status in {200, 422}
        assert "<b>" not in await response.text()


@pytest.mark.parametrize("role", [None, *Role])
async def test_nobody_but_administrators_of_the_panel_sees_or_does_anything(client, stage, acme, role):
    by = await stage.outsider()
    if role:
        await organizations.add_member(stage.panel, acme, by.email, role, stage.admin)
    await client.sign_in(by)
    assert "/admin/organizations" not in await client.page("/apps")
    for place in ("/admin/organizations", path(acme)):
        assert "Acme" not in await client.page(place, 403)
    for end, fields in (("/change", {"change": "suspend"}), ("/delete", {"apps": "destroy", "confirm": "Acme"})):
        assert (await client.send(path(acme, end), page="/account", **fields)).status == 403
    assert await app_names(stage, acme) == ["early", "rocket"]
    assert len(await stage.panel.scheduler.dynos()) == 1


async def test_without_a_session_or_a_form_of_ours_nothing_happens(admin, new_client, stage, acme):
    fields = {"apps": "destroy", "confirm": "Acme", "form_token": "0" * 64}
    stranger = await new_client()
    for client, origin in ((admin, ORIGIN), (admin, "http://rocket.localhost:8080"), (stranger, ORIGIN)):
        headers = {"Origin": origin}
        assert (await client.post(path(acme, "/delete"), data=fields, headers=headers)).status == 403
        assert (await client.post(path(acme, "/change"), data=fields | {"change": "suspend"}, headers=headers)).status == 403
    response = await stranger.get(path(acme), allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, f"/login?next={path(acme)}")
    assert await app_names(stage, acme) == ["early", "rocket"]
    assert len(await stage.panel.scheduler.dynos()) == 1


async def test_old_addresses_lead_to_the_new_ones(admin):
    for old in ("/organizations?after=A", "/nodes"):
        response = await admin.get(old, allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (303, f"/admin{old}")
