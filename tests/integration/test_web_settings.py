"""The page of the panel's settings."""

import re

import pytest

from skypanel.domain.settings import SETTINGS, categories
from skypanel.flow import settings as settings_flow
from skypanel.store import settings as stored
from tests.fakes.objects import FakeObjects

PAGE = "/admin/settings"
BUCKET = {
    "storage": "s3", "s3_endpoint": "https://s3.example.com", "s3_region": "us-east-1", "s3_bucket": "slugs", "s3_prefix": "one",
    "s3_access_key": "AKIA", "s3_secret_key": "a/b+c",
}  # fmt: skip


async def values(stage):
    async with stage.panel.autocommit() as conn:
        return await stored.all(conn)


async def save(admin, category, **fields):
    return await admin.send(PAGE, page=PAGE, category=category, **fields)


def with_storage(stage, objects):
    object.__setattr__(stage.panel, "open_objects", lambda _storage: objects)


@pytest.mark.req("R8.1")
async def test_every_setting_is_on_the_page_of_its_category(admin):
    found = []
    for category in categories():
        page = await admin.page(f"{PAGE}?category={category}")
        found += re.findall(r'<(?:input|select)[^>]* name="(\w+)"', page.partition("<form class=")[2].partition("</form>")[0])
    assert set(SETTINGS) <= set(found)
    assert len([key for key in found if key in SETTINGS]) == len(SETTINGS)


@pytest.mark.req("R8.1")
async def test_settings_are_changed(admin, stage):
    before = await values(stage)
    assert (await save(admin, "Apps", kept_releases="20", default_plan="Pro", push_creates_apps="true")).status == 303
    assert await values(stage) == before | {"kept_releases": 20, "default_plan": "Pro"}
    page = await admin.page(PAGE)
    assert "Saved: default_plan, kept_releases." in page
    assert 'name="kept_releases" value="20"' in page
    assert "<option selected>Pro</option>" in page
    assert (await save(admin, "Apps", kept_releases="20")).status == 303
    assert "Nothing was changed." in await admin.page(PAGE)


@pytest.mark.req("R8.3")
async def test_what_is_wrong_stands_beside_its_field_and_nothing_is_saved(admin, stage):
    before = await values(stage)
    response = await save(admin, "Billing", billing="true", currency="<script>", starting_credit="-1")
    page = re.sub(r"\s+", " ", await response.text())
    assert response.status == 422
    assert 'name="currency" value="&lt;script&gt;"' in page
    for key, said in (("currency", "is not a currency."), ("starting_credit", "is negative.")):
        assert said in page.partition(f'id="{key}-error">')[2].partition("</span>")[0]
    assert await values(stage) == before


@pytest.mark.req("R8.2")
async def test_secrets_are_never_shown(admin, stage):
    secret = "https://me:hunter2@pypi.example.com/simple"
    assert (await save(admin, "Builds", pip_index_url=secret, builds_per_organization="2")).status == 303
    page = await admin.page(f"{PAGE}?category=Builds")
    assert "set; type another to change it" in page
    refused = await save(admin, "Builds", pip_index_url="https://me:hunter3@x?y", builds_per_organization="2")
    assert refused.status == 422
    for text in (page, await refused.text()):
        assert "hunter" not in text.partition("<form class=")[2].replace("no URL", "")
    # An empty field leaves it, the box takes it away.
    await save(admin, "Builds", pip_index_url="", builds_per_organization="3")
    [kept] = [each for each in await settings_flow.show(stage.panel, stage.admin) if each.setting.key == "pip_index_url"]
    assert kept.is_set
    await save(admin, "Builds", pip_index_url="", clear_pip_index_url="on")
    async with stage.panel.autocommit() as conn:
        assert stage.panel.cipher.decrypt((await stored.secrets(conn))["pip_index_url"]) == ""


@pytest.mark.req("R8.5")
async def test_a_bucket_is_saved_once_it_works_and_can_be_tested_again(admin, stage):
    with_storage(stage, FakeObjects())
    assert (await save(admin, "Storage", **BUCKET)).status == 303
    assert (await values(stage))["s3_bucket"] == "slugs"
    assert (await save(admin, "Storage", do="test_storage")).status == 303
    assert "An object was written to" in await admin.page(f"{PAGE}?category=Storage")


async def test_mail_that_is_not_set_up_is_said(admin):
    response = await save(admin, "Mail", do="test_mail")
    assert response.status == 422
    assert "This panel sends no mail." in await response.text()


async def test_the_access_to_dns_is_tried_out(admin, stage):
    refused = await save(admin, "DNS", do="test_dns")
    assert "The panel writes no records to DNS." in await refused.text()
    wrong = await save(admin, "DNS", dns_updates="rfc2136")
    assert "Write the address of the zone&#39;s primary server." in await wrong.text()
    assert (await save(admin, "DNS", dns_updates="rfc2136", rfc2136_server="10.1.0.1")).status == 303
    assert "localhost is in no public DNS." in await (await save(admin, "DNS", do="test_dns")).text()


async def test_a_field_of_another_category_changes_nothing(admin, stage):
    before = await values(stage)
    assert (await save(admin, "Mail", kept_releases="7")).status == 303
    assert await values(stage) == before
    await admin.page(f"{PAGE}?category=%3Cb%3E")
