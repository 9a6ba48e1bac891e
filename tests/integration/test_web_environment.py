"""The page of an app's config vars."""

import html
import re

import pytest

from skypanel.domain.access import Role
from skypanel.domain.paging import PAGE_SIZE
from skypanel.flow import config as config_flow
from skypanel.flow import environment as environment_flow
from skypanel.store import config_vars
from tests.support.deploys import current

PAGE = "/apps/hello/environment"
CANARY = "canary-7f3a"
HOSTILE = "<script>alert(1)</script>"


async def secrets(stage, app):
    async with stage.panel.transaction() as conn:
        head = await config_vars.head(conn, app.id)
    return {key: stage.panel.cipher.decrypt(secret) for key, secret in head.secrets.items()}


async def send(client, **fields):
    return await client.send(PAGE, page=PAGE, **fields)


@pytest.mark.req("R12.2")
async def test_a_var_is_set_and_its_value_never_shown_again(admin, stage, app):
    response = await send(admin, do="set", key=" SECRET_KEY ", value=f"{CANARY}\r\nsecond line")
    assert (response.status, response.headers["Location"]) == (303, PAGE)
    assert await secrets(stage, app) == {"SECRET_KEY": f"{CANARY}\nsecond line"}
    page = await admin.page(PAGE)
    assert "SECRET_KEY is set. A new release starts with them." in page
    assert "<code>SECRET_KEY</code>" in page
    assert f"by {stage.admin.email}" in page
    assert "write-only" in page
    assert CANARY not in page
    await stage.work()
    assert (await current(stage, app)).version == 2


async def test_a_bad_name_is_said_beside_what_was_entered(admin, stage, app):
    response = await send(admin, do="set", key=HOSTILE, value=HOSTILE)
    page = await response.text()
    assert response.status == 422
    assert "is not a valid config var name." in page
    assert f'value="{html.escape(HOSTILE)}"' in page
    assert HOSTILE not in page
    assert await secrets(stage, app) == {}


async def test_a_whole_file_is_previewed_then_saved(admin, stage, app):
    await config_flow.change(stage.panel, app, {"KEEP": "1", "CHANGE": "1"}, stage.admin)
    text = f"export KEEP=1\nCHANGE=2\nNEW='{CANARY}'\n</textarea>{HOSTILE}"
    bad = await (await send(admin, do="preview", text=text)).text()
    assert "Line 4: this is not KEY=value." in bad
    assert HOSTILE not in bad
    assert 'value="paste"' not in bad
    refused = await send(admin, do="paste", text=text)
    assert refused.status == 422
    assert await secrets(stage, app) == {"KEEP": "1", "CHANGE": "1"}
    text = text.partition("\n</")[0]
    good = re.sub(r"\s+", " ", await (await send(admin, do="preview", text=text)).text())
    assert "Not saved yet. 1 new, 1 changed, 1 the same as now." in good
    for key, word in (("NEW", "added"), ("CHANGE", "changed"), ("KEEP", "the same")):
        assert f'<code>{key}</code> <span class="quiet">{word}</span>' in good
    assert 'value="paste"' in good
    assert (await send(admin, do="paste", text=text)).status == 303
    assert await secrets(stage, app) == {"KEEP": "1", "CHANGE": "2", "NEW": CANARY}
    assert CANARY not in await admin.page(PAGE)


async def test_several_are_removed_at_once(admin, stage, app):
    await config_flow.change(stage.panel, app, {f"KEY{number}": "1" for number in range(60)}, stage.admin)
    chosen = {f"choose.KEY{number}": "on" for number in range(59)}
    assert (await send(admin, do="remove", **chosen)).status == 303
    assert await secrets(stage, app) == {"KEY59": "1"}
    none = await send(admin, do="remove")
    assert none.status == 422
    assert "No config var is chosen." in await none.text()


async def test_equal_values_show_equal_fingerprints_to_who_may_set_them(admin, new_client, stage, app):
    await config_flow.change(stage.panel, app, {"A": CANARY, "B": CANARY, "C": "another"}, stage.admin)
    marks = re.findall(r'<code class="quiet">([0-9a-f]{8})</code>', await admin.page(PAGE))
    assert marks[0] == marks[1] != marks[2]
    viewer = await new_client()
    await viewer.sign_in(await stage.member(Role.VIEWER))
    page = await viewer.page(PAGE)
    assert "<code>A</code>" in page
    assert not re.findall(r'<code class="quiet">([0-9a-f]{8})</code>', page)
    assert "<textarea" not in page


async def test_the_history_names_keys_and_releases_by_pages(admin, stage, app, monkeypatch):
    monkeypatch.setattr(environment_flow, "CHANGES", 1)
    await config_flow.change(stage.panel, app, {"FIRST": "1"}, stage.admin)
    await config_flow.change(stage.panel, app, {"FIRST": None, "SECOND": "1"}, stage.admin)
    page = await admin.page(PAGE)
    history = page.partition('id="history"')[2]
    assert "Added <code>SECOND</code>" in history
    assert "Removed <code>FIRST</code>" in history
    assert '<a href="/apps/hello/releases/3">v3</a>' in history
    older = await admin.page(PAGE + re.search(r'href="(\?older=\d+)"', history)[1])
    assert "Added <code>FIRST</code>" in older
    assert "Added <code>SECOND</code>" in await admin.page(PAGE + re.search(r'href="(\?newer=\d+)"', older)[1])
    assert "This is not a change." in await admin.page(f"{PAGE}?older=nonsense", 422)


async def test_an_empty_page_says_how_to_set_one(admin, app):
    assert "skypanel config hello --set KEY=value" in await admin.page(PAGE)


async def test_replace_fills_in_the_name_alone(admin, stage, app):
    await config_flow.change(stage.panel, app, {"KEY": CANARY}, stage.admin)
    assert '<a href="?key=KEY#set">' in await admin.page(PAGE)
    assert 'name="key" value="KEY"' in await admin.page(f"{PAGE}?key=KEY")


async def test_an_unknown_button_is_refused(admin, app):
    assert (await send(admin, do="dance")).status == 422


async def test_config_vars_come_in_pages_whatever_page_of_the_history_is_shown(admin, stage, app):
    for number in range(2):
        await config_flow.change(stage.panel, app, {f"KEY_{each:02}": str(number) for each in range(PAGE_SIZE + 2)}, stage.admin)
    first, last = await admin.page(PAGE), await admin.page(f"{PAGE}?older=3&page=2")
    assert [names(page) for page in (first, last)] == [
        [f"KEY_{each:02}" for each in range(PAGE_SIZE)],
        [f"KEY_{each:02}" for each in range(PAGE_SIZE, PAGE_SIZE + 2)],
    ]
    assert f'href="{PAGE}?page=2" rel="next"' in first
    assert f'href="{PAGE}?older=3&amp;page=1" rel="prev"' in last


def names(page):
    """Return the config vars that a page lets one choose."""
    return re.findall(r'aria-label="Choose (\w+)"', page)
