"""Every page and form of the administrators: nobody else gets to it."""

import re

import pytest

from web.admin.routes import ROUTES
from web.places import ADMIN_TABS

ID = "00000000-0000-4000-8000-000000000000"


def filled(path):
    """Return a path with something well-formed for each of its variables."""
    return re.sub(r"\{\w+:(?:[^{}]|\{[^}]*\})*\}", lambda found: "Hobby" if "plan" in found[0] else ID, path)


PAGES = sorted({filled(route.path) for route in ROUTES if route.method == "GET"})
FORMS = sorted({filled(route.path) for route in ROUTES if route.method == "POST"})


@pytest.fixture
async def outsider(client, stage):
    assert (await client.sign_in(await stage.outsider())).status == 303
    return client


@pytest.mark.parametrize("path", PAGES)
async def test_nobody_else_sees_a_page(outsider, path):
    await outsider.page(path, 403)


@pytest.mark.parametrize("path", FORMS)
async def test_nobody_else_sends_a_form(outsider, path):
    assert (await outsider.send(path, page="/account")).status == 403


@pytest.mark.parametrize("path", PAGES)
async def test_who_is_not_signed_in_signs_in_first(client, path):
    response = await client.get(path, allow_redirects=False)
    assert (response.status, response.headers["Location"].partition("?")[0]) == (303, "/login")


async def test_every_tab_has_its_page(admin):
    for url, label in ADMIN_TABS:
        page = await admin.page(url)
        assert f'<a href="{url}" aria-current="page">{label}</a>' in page
