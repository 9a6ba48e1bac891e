"""What people of each role do in the dashboard, on a computer and on a telephone: from an invitation to a live app."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.browser import COMPUTER, TELEPHONE, Visit
from tests.journeys.harness import PanelUnderTest, Repository, wait_for

WHILE_DEPLOYING_MS = 90_000
# It builds only with the config var READY, and prints what is no markup.
BUILD = 'test -n "$READY" || { echo "<script>READY</script> is not set"; exit 1; }'
PACKAGE = '{"name": "orbit", "scripts": {"build": "sh build.sh"}}'


def invite(page: Page, email: str, role: str) -> str:
    """Add a member on an organization's page of people, and return the sign-in link that it shows."""
    page.get_by_label("Address").fill(email)
    page.locator("form", has=page.get_by_role("heading", name="Add a member")).get_by_label("Role").select_option(role)
    page.get_by_role("button", name="Add", exact=True).click()
    section = page.locator("section", has=page.get_by_role("heading", name=f"A sign-in link for {email}"))
    return section.locator("pre").inner_text()


def new_key(panel: PanelUnderTest, name: str) -> PanelUnderTest:
    """Return the panel as a developer with a new SSH key sees it."""
    home = panel.home / name
    (home / "user" / ".ssh").mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "user" / ".ssh" / "id_ed25519"], check=True)
    return replace(panel, home=home)


def broken(developer: PanelUnderTest) -> Repository:
    repository = developer.repository("node-plain")
    repository.write("package.json", PACKAGE)
    repository.write("build.sh", f"{BUILD}\n")
    repository.write("Procfile", "web: node server.js\n")
    repository.commit("<b>First</b> orbit")
    return repository


@dataclass(frozen=True)
class People:
    """The page of an organization's members, and the sign-in link of each role. Its app has the same name."""

    name: str
    url: str
    links: Mapping[str, str]

    @property
    def app(self) -> str:
        return f"/apps/{self.name}"


def found_organization(administrator: Visit, name: str) -> People:
    """Make an organization, and invite somebody of each role."""
    page = administrator.sign_in()
    page.goto("/organizations/new")
    administrator.look()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create organization").click()
    page.get_by_role("heading", name=name).first.wait_for()
    administrator.look()
    page.goto(f"{page.url.rstrip('/')}/people")
    url = page.url
    links = {role: invite(page, f"{role}@{name}.example", role) for role in ("owner", "admin", "developer", "viewer")}
    administrator.look()
    return People(name, url, links)


def sign_up(owner: Visit, people: People) -> PanelUnderTest:
    """Sign in for the first time, add an SSH key, and create an app."""
    page = owner.sign_in_by(people.links["owner"])
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    owner.look()
    ada = new_key(owner.panel, f"ada-of-{people.name}")
    page.get_by_label("Public key").fill(ada.key.with_suffix(".pub").read_text())
    page.get_by_role("button", name="Add the key").dblclick()
    expect(page.get_by_role("heading", name="Let git push as you done")).to_be_visible()
    page.goto("/apps/new")
    owner.look()
    page.locator("input[name=name]").fill(people.name)
    expect(page.get_by_text(f"{people.name} is free.")).to_be_visible()
    page.get_by_role("button", name="Create").dblclick()
    expect(page.get_by_role("heading", name=re.compile(f"^{people.name}"))).to_be_visible()
    owner.look()
    return ada


def deploy(owner: Visit, ada: PanelUnderTest, people: People) -> None:
    """Push what cannot be built, see the failure first, mend it and press Retry; the first steps of the welcome page follow."""
    page = owner.page
    assert "READY" in broken(ada).push(people.name, check=False)
    failure = page.get_by_role("alert")
    expect(failure).to_contain_text("The last build failed")
    owner.look()
    failure.get_by_role("link", name="Show the log").click()
    expect(page.get_by_role("alert")).to_contain_text("The deploy failed")
    expect(page.locator(".log")).to_contain_text("<script>READY</script> is not set")
    owner.look()
    page.goto(f"{people.app}/environment")
    page.get_by_label("Name", exact=True).fill("READY")
    page.get_by_label("Value", exact=True).fill("yes")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="READY").first).to_be_visible()
    owner.look()
    welcome = owner.context.new_page()
    welcome.goto("/welcome")
    page.goto(people.app)
    page.get_by_role("button", name="Retry").click()
    live = welcome.get_by_role("status").filter(has_text=f"{people.name} is live at")
    expect(live).to_be_visible(timeout=WHILE_DEPLOYING_MS)
    expect(welcome.get_by_role("heading", name="See it live done")).to_be_visible()
    welcome.close()
    wait_for("the app", lambda: owner.panel.answers(people.name))
    page.goto(people.app)
    expect(page.locator("h1 .state")).to_have_text("up")
    owner.look()


def see_as_a_viewer(viewer: Visit, people: People) -> None:
    page = viewer.sign_in_by(people.links["viewer"])
    page.goto(f"{people.app}/environment")
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    viewer.look()
    page.goto(people.app)
    expect(page.locator(".version")).to_have_text("v1")
    expect(page.get_by_role("button", name="Scale web")).to_have_count(0)
    viewer.look()


def scale_as_a_developer(developer: Visit, people: People) -> None:
    page = developer.sign_in_by(people.links["developer"])
    page.goto(people.app)
    page.get_by_role("slider", name="Number of web dynos").fill("2")
    page.get_by_role("button", name="Scale web").click()
    dynos = page.get_by_role("list", name="Dynos of web").locator(".up")
    expect(dynos).to_have_text(["web.1", "web.2"], timeout=WHILE_DEPLOYING_MS)
    # A reload after a write sends nothing again.
    page.reload()
    expect(page.get_by_role("slider", name="Number of web dynos")).to_have_value("2")
    developer.look()
    page.goto(f"{people.app}/settings")
    expect(page.get_by_role("heading", name="Destroy")).to_have_count(0)
    developer.look()


def remove_the_viewer_as_an_admin(admin: Visit, people: People) -> None:
    page = admin.sign_in_by(people.links["admin"])
    page.goto(people.url)
    expect(page.get_by_role("button", name=f"Remove owner@{people.name}.example")).to_have_count(0)
    admin.look()
    page.get_by_role("button", name=f"Remove viewer@{people.name}.example").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status")).to_contain_text(f"viewer@{people.name}.example")


@pytest.mark.parametrize(("name", "device"), [("orbit", COMPUTER), ("comet", TELEPHONE)], ids=["computer", "telephone"])
def test_from_an_invitation_to_a_live_app_and_what_each_role_does_with_it(panel, visit, name, device):
    people = found_organization(visit(**device), name)
    owner, viewer, developer, admin = (visit(**device) for _ in range(4))
    deploy(owner, sign_up(owner, people), people)
    see_as_a_viewer(viewer, people)
    scale_as_a_developer(developer, people)
    remove_the_viewer_as_an_admin(admin, people)
    # Open pages say at once that the app, or the session, is no longer theirs. The browser notes the answer.
    expect(viewer.page.get_by_role("heading", name="not found, or not yours.")).to_be_visible()
    assert viewer.complaints
    assert all("404" in each for each in viewer.complaints)
    viewer.complaints.clear()
    panel.cli("accounts", "disable", f"developer@{name}.example")
    expect(developer.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "next=" in developer.page.url


def test_without_scripts_an_app_is_made_changed_and_destroyed(panel, visit):
    window = visit(java_script_enabled=False)
    page = window.sign_in()
    page.goto("/apps/new")
    page.locator("input[name=name]").fill("plain")
    page.get_by_role("button", name="Create").click()
    repository = panel.repository("python-plain")
    repository.push("plain")
    page.goto("/apps/plain/environment")
    page.get_by_label("Name", exact=True).fill("GREETING")
    page.get_by_label("Value", exact=True).fill("hi")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="GREETING", exact=True)).to_be_visible()

    def is_live(version: str) -> bool:
        page.goto("/apps/plain")
        return page.locator(".version").inner_text() == version

    wait_for("the config var", lambda: is_live("v2"))
    page.get_by_role("slider", name="Number of web dynos").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Scale web").click()
    expect(page.get_by_role("slider", name="Number of web dynos")).to_have_value("2")
    page.get_by_role("button", name="Roll back to v1").click()
    wait_for("the rollback", lambda: is_live("v3"))
    page.goto("/apps/plain/settings")
    page.get_by_role("button", name="Destroy plain").click()
    page.get_by_label("Type plain to confirm").fill("plain")
    page.get_by_role("dialog").get_by_role("button", name="Destroy plain").click()
    expect(page).to_have_url(re.compile("/apps$"))
    expect(page.get_by_role("link", name="plain", exact=True)).to_have_count(0)
    assert panel.get("plain").status == 404
