"""What people of each role do in the dashboard, in a real browser: from an invitation to a live app. Each page is seen at two widths."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace

from playwright.sync_api import Page, expect

from tests.journeys.browser import Visit
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


def orbit(developer: PanelUnderTest) -> Repository:
    repository = developer.repository("node-plain")
    repository.write("package.json", PACKAGE)
    repository.write("build.sh", f"{BUILD}\n")
    repository.write("Procfile", "web: node server.js\n")
    repository.commit("<b>First</b> orbit")
    return repository


@dataclass(frozen=True)
class People:
    """The page of Orbit's members, and the sign-in link of each role."""

    url: str
    links: Mapping[str, str]


def found_organization(administrator: Visit) -> People:
    """Make the organization Orbit, and invite somebody of each role."""
    page = administrator.sign_in()
    page.goto("/organizations/new")
    administrator.look()
    page.get_by_label("Name").fill("Orbit")
    page.get_by_role("button", name="Create organization").click()
    page.get_by_role("heading", name="Orbit").first.wait_for()
    administrator.look()
    page.goto(f"{page.url.rstrip('/')}/people")
    url = page.url
    links = {role: invite(page, f"{role}@orbit.example", role) for role in ("owner", "admin", "developer", "viewer")}
    administrator.look()
    return People(url, links)


def sign_up(owner: Visit, link: str) -> PanelUnderTest:
    """Sign in for the first time, add an SSH key, and create an app."""
    page = owner.sign_in_by(link)
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    owner.look()
    ada = new_key(owner.panel, "ada")
    page.get_by_label("Public key").fill(ada.key.with_suffix(".pub").read_text())
    page.get_by_role("button", name="Add the key").dblclick()
    expect(page.get_by_role("heading", name="Let git push as you done")).to_be_visible()
    page.goto("/apps/new")
    owner.look()
    page.locator("input[name=name]").fill("orbit")
    expect(page.get_by_text("orbit is free.")).to_be_visible()
    page.get_by_role("button", name="Create").dblclick()
    expect(page.get_by_role("heading", name=re.compile("^orbit"))).to_be_visible()
    owner.look()
    return ada


def deploy(owner: Visit, ada: PanelUnderTest) -> None:
    """Push what cannot be built, see the failure first, mend it and press Retry; the first steps of the welcome page follow."""
    page = owner.page
    assert "READY" in orbit(ada).push("orbit", check=False)
    failure = page.get_by_role("alert")
    expect(failure).to_contain_text("The last build failed")
    owner.look()
    failure.get_by_role("link", name="Show the log").click()
    expect(page.get_by_role("alert")).to_contain_text("The deploy failed")
    expect(page.locator(".log")).to_contain_text("<script>READY</script> is not set")
    owner.look()
    page.goto("/apps/orbit/environment")
    page.get_by_label("Name", exact=True).fill("READY")
    page.get_by_label("Value", exact=True).fill("yes")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="READY").first).to_be_visible()
    owner.look()
    welcome = owner.context.new_page()
    welcome.goto("/welcome")
    page.goto("/apps/orbit")
    page.get_by_role("button", name="Retry").click()
    expect(welcome.get_by_role("status").filter(has_text="orbit is live at")).to_be_visible(timeout=WHILE_DEPLOYING_MS)
    expect(welcome.get_by_role("heading", name="See it live done")).to_be_visible()
    welcome.close()
    wait_for("the app", lambda: owner.panel.answers("orbit"))
    page.goto("/apps/orbit")
    expect(page.locator("h1 .state")).to_have_text("up")
    owner.look()


def see_as_a_viewer(viewer: Visit, link: str) -> None:
    page = viewer.sign_in_by(link)
    page.goto("/apps/orbit/environment")
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    viewer.look()
    page.goto("/apps/orbit")
    expect(page.locator(".version")).to_have_text("v1")
    expect(page.get_by_role("button", name="Scale web")).to_have_count(0)
    viewer.look()


def scale_as_a_developer(developer: Visit, link: str) -> None:
    page = developer.sign_in_by(link)
    page.goto("/apps/orbit")
    page.get_by_role("slider", name="Number of web dynos").fill("2")
    page.get_by_role("button", name="Scale web").click()
    dynos = page.get_by_role("list", name="Dynos of web").locator(".up")
    expect(dynos).to_have_text(["web.1", "web.2"], timeout=WHILE_DEPLOYING_MS)
    # A reload after a write sends nothing again.
    page.reload()
    expect(page.get_by_role("slider", name="Number of web dynos")).to_have_value("2")
    developer.look()
    page.goto("/apps/orbit/settings")
    expect(page.get_by_role("heading", name="Destroy")).to_have_count(0)
    developer.look()


def remove_the_viewer_as_an_admin(admin: Visit, people: People) -> None:
    page = admin.sign_in_by(people.links["admin"])
    page.goto(people.url)
    expect(page.get_by_role("button", name="Remove owner@orbit.example")).to_have_count(0)
    admin.look()
    page.get_by_role("button", name="Remove viewer@orbit.example").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status")).to_contain_text("viewer@orbit.example")


def test_from_an_invitation_to_a_live_app_and_what_each_role_does_with_it(panel, visit):
    people = found_organization(visit())
    owner, viewer, developer, admin = visit(), visit(), visit(), visit()
    deploy(owner, sign_up(owner, people.links["owner"]))
    see_as_a_viewer(viewer, people.links["viewer"])
    scale_as_a_developer(developer, people.links["developer"])
    remove_the_viewer_as_an_admin(admin, people)
    # Open pages say at once that the app, or the session, is no longer theirs. The browser notes the answer.
    expect(viewer.page.get_by_role("heading", name="not found, or not yours.")).to_be_visible()
    assert viewer.complaints
    assert all("404" in each for each in viewer.complaints)
    viewer.complaints.clear()
    panel.cli("accounts", "disable", "developer@orbit.example")
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
