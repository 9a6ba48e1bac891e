"""Administrators and organizations on a running panel: the pages in a real browser, and the commands."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.browser import Visit
from tests.journeys.harness import PanelUnderTest, wait_for


@pytest.fixture(scope="module")
def acme(panel) -> PanelUnderTest:
    """The panel, with an organization Acme that has a running app, `rocket`."""
    panel.cli("orgs", "add", "Acme")
    panel.repository("python-plain").push("rocket")
    panel.cli("transfer", "rocket", "Acme")
    wait_for("the app in Acme", lambda: panel.answers("rocket"))
    return panel


@pytest.fixture
def page(acme, browser):
    visit = Visit(acme, browser)
    yield visit.sign_in()
    visit.close()
    # A form that is refused comes back with status 422, which the browser notes.
    assert [note for note in visit.complaints if "422" not in note] == []


@pytest.mark.req("R16.1", "R16.2", "R16.4")
def test_an_administrator_looks_at_an_organization(page):
    page.get_by_role("link", name="Platform").click()
    page.get_by_role("navigation", name="Platform").get_by_role("link", name="Organizations").click()
    row = page.get_by_role("row", name="Acme")
    expect(row.get_by_role("cell")).to_have_text(["Acme", "1", "1", "0.00 USD", "does not pay"])
    row.get_by_role("link", name="Acme").click()
    expect(page.get_by_role("heading", name="Acme", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name="rocket").get_by_role("cell").nth(3)).to_have_text("512.0M")


@pytest.mark.req("R16.5")
def test_an_administrator_suspends_and_resumes_all_apps(acme, page):
    page.goto("/admin/organizations")
    page.get_by_role("link", name="Acme").click()
    page.get_by_role("button", name="Suspend its apps").click()
    page.get_by_role("dialog").get_by_role("button", name="Suspend its apps").click()
    expect(page.get_by_role("alert")).to_contain_text("An administrator suspended it")
    wait_for("the page of an app that is stopped", lambda: "This app is not running" in acme.get("rocket").body)
    assert "suspended by an administrator" in acme.cli("apps").stdout
    assert "Stopped: an administrator suspended Acme." in acme.cli("logs", "rocket").stdout
    refused = acme.cli("scale", "rocket", "web=2", check=False)
    assert (refused.returncode, "suspended its organization" in refused.stderr) == (1, True)
    declined = acme.repository("python-plain").push("rocket", "+HEAD:refs/heads/main", check=False)
    assert "rocket cannot run: an administrator of this panel suspended its organization." in declined
    page.get_by_role("button", name="Resume its apps").click()
    expect(page.get_by_role("button", name="Suspend its apps")).to_be_visible()
    wait_for("the app", lambda: acme.answers("rocket"))
    assert "Acme is suspended" in acme.cli("orgs", "suspend", "Acme", "--confirm", "Acme").stdout
    assert "suspended by an administrator" in acme.cli("orgs", "list").stdout
    assert "its apps run again" in acme.cli("orgs", "resume", "Acme").stdout
    wait_for("the app once more", lambda: acme.answers("rocket"))


@pytest.mark.req("R4.4", "R16.3")
def test_deleting_asks_for_the_apps_and_gives_them_away_without_a_failed_request(acme, page):
    refused = acme.cli("orgs", "delete", "Acme", "--confirm", "Acme", check=False)
    assert "Choose what happens to it: destroy, or reassign to another organization." in refused.stderr
    page.goto("/admin/organizations")
    page.get_by_role("link", name="Acme").click()
    page.get_by_role("button", name="Delete").click()
    # The browser wants a choice before it sends anything.
    expect(page).to_have_url(re.compile(r"/admin/organizations/[0-9a-f-]{36}$"))
    page.get_by_label("Transfer it to another organization").check()
    page.get_by_label("Type Acme to confirm").fill("Acme")
    page.get_by_label("Name of that organization").fill("Nobodys")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert")).to_have_text(
        "There is no organization 'Nobodys'. Run `skypanel orgs list` to list all organizations."
    )
    expect(page.get_by_label("Transfer it to another organization")).to_be_checked()
    page.get_by_label("Name of that organization").fill("Main")
    page.get_by_label("Type Acme to confirm").fill("Acme")
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/admin/organizations$"))
    expect(page.get_by_role("link", name="Acme")).to_have_count(0)
    assert acme.answers("rocket")
    assert "rocket" in acme.cli("orgs", "usage", "Main").stdout


@pytest.mark.req("R4.4", "R16.3")
def test_deleting_with_all_apps_takes_the_name(acme):
    acme.cli("orgs", "add", "Short Lived")
    acme.repository("python-plain").push("meteor")
    acme.cli("transfer", "meteor", "Short Lived")
    refused = acme.cli("orgs", "delete", "Short Lived", "--apps", "destroy", "--confirm", "short lived", check=False)
    assert "The name to confirm with is Short Lived" in refused.stderr
    assert (
        "is deleted. Its wallet had 100.00 USD left."
        in acme.cli("orgs", "delete", "Short Lived", "--apps", "destroy", "--confirm", "Short Lived").stdout
    )
    assert "meteor" not in acme.cli("apps").stdout
    assert "Short Lived" not in acme.cli("orgs", "list").stdout
