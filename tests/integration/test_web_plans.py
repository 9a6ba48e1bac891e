"""The pages of plans: the comparison for everybody, and those by which administrators change them."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from skypanel.domain.paging import PAGE_SIZE
from skypanel.domain.plan import FIRST_PLANS
from skypanel.flow import plans
from skypanel.flow import settings as settings_flow
from skypanel.store import plans as stored

TINY = {"name": "Tiny", "cpu_cores": "0.25", "memory_mib": "128", "max_replicas": "2", "hourly_price": "0.0020"}


async def plain(client, url):
    """Return a page without the labels that narrow windows show."""
    return re.sub(r' data-label="[A-Za-z ]+"', "", await client.page(url))


@pytest.mark.req("R2.4", "R9.3")
async def test_everybody_compares_all_plans(client, stage):
    await settings_flow.change(stage.panel, stage.admin, {"currency": "€"})
    await plans.retire(stage.panel, stage.admin, "Pro")
    await client.sign_in(await stage.outsider())
    page = await client.page("/plans")
    names = re.findall(r'<th scope="col" class="number">(\w+)</th>', page)
    assert names == ["Hobby", "Standard", "Business"]
    rows = {row: re.findall(r"<td[^>]*>([^<]*)</td>", cells) for row, cells in re.findall(r'<th scope="row">([^<]*)</th>(.*?)</tr>', page)}
    assert rows["Memory"] == ["256.0M", "512.0M", "8.0G"]
    assert rows["CPU cores"] == ["0.5", "1", "4"]
    assert rows["Price of an hour"] == ["€0.0050", "€0.0200", "€0.3200"]
    assert rows["Price of a month"] == ["€3.65", "€14.60", "€233.60"]
    assert rows["Dynos of a process type, at most"] == ["1", "10", "50"]


@pytest.mark.req("R9.1", "R9.3")
async def test_an_administrator_adds_changes_retires_and_deletes_one(admin, stage):
    assert (await admin.send("/admin/plans", page="/admin/plans", **TINY)).status == 303
    page = await plain(admin, "/admin/plans")
    assert "The plan Tiny is added." in page
    assert '<td class="number">0.0020 USD</td> <td class="number">1.46 USD</td>' in page
    place = "/admin/plans/Tiny"
    assert (await admin.send(place, page=place, **TINY | {"hourly_price": "0.0030", "do": "save"})).status == 303
    assert "Tiny has version 2." in await admin.page(place)
    assert (await admin.send(place, page=place, do="retire")).status == 303
    assert 'class="state retired"' in await admin.page("/admin/plans")
    assert (await admin.send(place, page=place, do="restore")).status == 303
    assert (await admin.send(place, page=place, do="delete", confirm="tiny")).status == 422
    assert (await admin.send(place, page=place, do="delete", confirm="Tiny")).status == 303
    await admin.page(place, 404)


@pytest.mark.req("R9.2", "R9.4")
async def test_one_in_use_is_kept_and_names_its_apps(admin, stage, app):
    place = "/admin/plans/Standard"
    await settings_flow.change(stage.panel, stage.admin, {"default_plan": "Pro"})
    response = await admin.send(place, page=place, do="delete", confirm="Standard")
    assert response.status == 422
    assert "1 app is on it: hello (Main)." in await response.text()
    changed = TINY | {"name": "ignored", "hourly_price": "1", "do": "save"}
    assert (await admin.send(place, page=place, **changed)).status == 303
    page = await plain(admin, place)
    assert '<tr><td>hello</td><td>Main</td><td class="number">1</td></tr>' in page
    assert "(1 on older versions)" in await admin.page("/admin/plans")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "hobby"}, "There is a plan hobby already."),
        ({"name": "<script>"}, "is not a valid plan name."),
        ({"memory_mib": "1e9"}, "is not an amount of memory in MiB."),
        ({"hourly_price": "-1"}, "is not a price per hour."),
        ({"cpu_cores": ""}, "is not a number of CPU cores."),
    ],
)
async def test_what_no_plan_can_be_is_told_and_the_form_kept(admin, stage, change, said):
    response = await admin.send("/admin/plans", page="/admin/plans", **TINY | change)
    page = await response.text()
    assert (response.status, said in page, "<script>" in page.partition("<main")[2]) == (422, True, False)
    assert 'value="2"' in page
    assert len(await plans.offered(stage.panel)) == 4


@pytest.mark.parametrize("text", ["", "burn", "<b>", "\x00"])
async def test_a_strange_button_does_nothing(admin, stage, text):
    response = await admin.send("/admin/plans/Pro", page="/admin/plans/Pro", do=text)
    assert response.status == 422
    assert [plan.hourly_price for plan in await plans.offered(stage.panel)][2] == Decimal("0.0800")


@pytest.mark.parametrize(
    ("path", "name"), [("/plans", r'<th scope="col" class="number">(.*?)</th>'), ("/admin/plans", r'<a href="/admin/plans/(.*?)">')]
)
async def test_plans_come_in_pages(admin, stage, path, name):
    async with stage.panel.transaction() as conn:
        for number in range(PAGE_SIZE):
            await stored.add(conn, replace(FIRST_PLANS[0], name=f"Plan{number:02}"))
        every = {plan.name for plan in await stored.all(conn)}
    first, last = await admin.page(path), await admin.page(f"{path}?page=2")
    found = [every & set(re.findall(name, page)) for page in (first, last)]
    assert (len(found[0]), found[0] | found[1], found[0] & found[1]) == (PAGE_SIZE, every, set())
    assert f'href="{path}?page=2" rel="next"' in first
    assert f'href="{path}?page=1" rel="prev"' in last
