"""The dashboard in a real browser, over real pushes."""

import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.harness import PanelUnderTest, Repository, wait_for

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def hello(panel: PanelUnderTest) -> Repository:
    """An app with two releases and some config vars."""
    repository = panel.repository("python-plain")
    repository.push("dash")
    repository.edit("app.py", "Hello from SkyPanel", "second")
    repository.commit("Second")
    repository.push("dash")
    return repository


@pytest.fixture(scope="module")
def password(panel: PanelUnderTest) -> str:
    panel.cli("passwd", stdin=f"{PASSWORD}\n")
    return PASSWORD


def log_lines(page: Page) -> list[str]:
    return page.locator(".log > div").all_inner_texts()


def test_a_password_that_is_too_short_is_refused_in_the_terminal_too(panel):
    refused = panel.cli("passwd", stdin="short\n", check=False)
    assert refused.returncode == 1
    assert "fewer than 12 characters" in refused.stderr


def test_signing_in_by_a_link_and_out(visit):
    page = visit().sign_in()
    expect(page.get_by_text("admin@localhost")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_signing_in_by_password_with_the_keyboard_alone(visit, password):
    page = visit().page
    page.goto("/account")
    page.keyboard.type("admin@localhost")
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="admin@localhost")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    form = page.locator("form", has=page.get_by_role("heading", name="Change the password"))
    form.get_by_label("Current password").fill(password)
    form.get_by_label("New password, ").fill(password)
    form.get_by_label("New password again").fill(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("The password is set. Other browsers are signed out.")


@pytest.mark.req("R14.4")
def test_the_list_and_an_apps_page(panel, visit, hello):
    panel.cli("config", "dash", "--set", "GREETING=a secret value")
    page = visit().sign_in()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="dash", exact=True))
    expect(row.locator("td > .state")).to_have_text("up")
    expect(row).to_contain_text("v3")
    page.get_by_role("link", name="dash", exact=True).click()
    expect(page.locator(".version")).to_have_text("v3")
    expect(page.get_by_text("web.1")).to_be_visible()
    expect(page.get_by_text("GREETING", exact=True)).to_be_visible()
    assert "a secret value" not in page.content()


@pytest.mark.req("R14.2")
def test_rolling_back_by_the_button(panel, visit, hello):
    page = visit().sign_in()
    page.goto("/apps/dash")
    page.get_by_role("button", name="Roll back to v1").click()
    expect(page.get_by_text("Rollback to v1").first).to_be_visible()

    def is_live() -> bool:
        page.goto("/apps/dash")
        return "Rollback to v1" in page.locator("section", has=page.locator("#active")).inner_text()

    wait_for("the release", is_live)
    assert panel.get("dash").body == "Hello from SkyPanel\n"


def stands_at(page: Page, dynos: str) -> Callable[[], bool]:
    def looked() -> bool:
        page.goto("/apps/dash")
        return page.get_by_role("list", name="Dynos of web").locator(".up").all_inner_texts() == dynos.split()

    return looked


@pytest.mark.req("R15.1")
def test_scaling_by_the_slider_and_turning_off(panel, visit, hello):
    page = visit().sign_in()
    page.goto("/apps/dash")
    slider = page.get_by_role("slider", name="Number of web dynos")
    assert [slider.get_attribute(bound) for bound in ("min", "max")] == ["1", "10"]
    said = page.locator(".scale output")
    expect(said).to_have_text("1 dyno: 0.0200 USD an hour, 14.60 USD a month")
    slider.focus()
    page.keyboard.press("End")
    expect(said).to_have_text("10 dynos: 0.2000 USD an hour, 146.00 USD a month")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(said).to_have_text("3 dynos: 0.0600 USD an hour, 43.80 USD a month")
    page.get_by_role("button", name="Scale web").click()
    expect(slider).to_have_value("3")
    assert panel.cli("ps", "dash").stdout.startswith("Formation: web=3")
    wait_for("three dynos", stands_at(page, "web.1 web.2 web.3"))
    page.get_by_role("button", name="Turn off web").click()
    dialog = page.get_by_role("dialog", name="Turn off web?")
    expect(dialog).to_contain_text("3 web dynos of dash stop.")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Turn off").click()
    wait_for("none", stands_at(page, ""))
    assert panel.get("dash").status == 503


def test_scaling_without_scripts(panel, visit, hello):
    page = visit(java_script_enabled=False).sign_in()
    page.goto("/apps/dash")
    expect(page.get_by_text("0.0200 USD an hour for each dyno")).to_be_visible()
    page.get_by_role("slider", name="Number of web dynos").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Scale web").click()
    expect(page.get_by_role("slider", name="Number of web dynos")).to_have_value("2")
    assert panel.cli("ps", "dash").stdout.startswith("Formation: web=2")
    panel.cli("scale", "dash", "web=1")


@pytest.mark.req("R2.3")
@pytest.mark.req("R2.5")
def test_a_build_is_watched_live_over_a_reload_and_a_restart_of_the_dashboard(panel, visit):
    repository = panel.repository("node-plain")
    repository.write("package.json", '{"name": "steps", "scripts": {"build": "sh steps.sh"}}\n')
    repository.write(
        "steps.sh", r"""for n in 1 2 3 4 5 6 7 8 9; do printf '\033[32mstep %s\033[0m <b>of nine</b>\n' $n; sleep 1; done""" + "\n"
    )
    repository.commit("Slow")
    push = repository.start_push("steps")
    push.wait_for_line("step 1")
    watching = visit()
    page = watching.sign_in()
    page.goto("/apps/steps")
    expect(page.get_by_role("heading", name="Deploying building")).to_be_visible()
    expect(page.locator(".log")).to_contain_text("step 2")
    page.get_by_role("link", name="Show the whole log").click()
    expect(page.locator("[data-state] .state")).to_have_text("building")
    expect(page.locator(".log")).to_contain_text("step 3")
    page.reload()
    expect(page.locator(".log")).to_contain_text("step 4")
    os.kill(panel.pid("panel:web"), signal.SIGKILL)
    expect(page.locator("[data-state] .state")).to_have_text("live", timeout=60_000)
    expect(page.locator(".ended")).to_be_visible()
    assert push.wait() == 0
    shown = [re.sub(r"\x1b\[[0-9;]*[mK]", "", line.removeprefix("remote: ")).rstrip() for line in push.text.splitlines()]
    lines = [line.rstrip() for line in log_lines(page)]
    steps = [line for line in lines if "step" in line and "of nine" in line]
    assert [re.sub(r"\s+", " ", step).strip() for step in steps] == [f"step {number} <b>of nine</b>" for number in range(1, 10)]
    assert page.locator(".log span.c2").first.inner_text() == "step 1"
    assert lines[-1] == "Verifying deploy... done."
    assert lines == [line for line in shown if line in lines]
    page.reload()
    assert [line.rstrip() for line in log_lines(page)] == lines
    # The browser notes that the dashboard was away.
    expected = ("EventSource", "Failed to load resource", "net::ERR_")
    assert all(any(words in note for words in expected) for note in watching.complaints)
    watching.complaints.clear()


def test_without_scripts_everything_can_still_be_done(panel, visit, hello):
    page = visit(java_script_enabled=False).sign_in()
    page.goto("/apps/dash/releases/2")
    assert "Verifying deploy... done." in log_lines(page)


def test_a_wrong_password_is_refused_and_then_throttled(visit, password):
    window = visit()
    page = window.page
    page.goto("/login")
    complaint = page.get_by_role("alert").filter(has_text=re.compile(r"\S"))
    for _ in range(11):
        page.get_by_label("E-mail").fill("admin@localhost")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in", exact=True).click()
        complaint.wait_for()
    expect(complaint).to_contain_text("Too many sign-in attempts.")
    # The browser notes each refusal.
    assert all("403" in note or "429" in note for note in window.complaints)
    window.complaints.clear()


def test_the_console_runs_a_command_at_a_terminal(visit, hello):
    page = visit().sign_in()
    page.goto("/apps/dash/console")
    page.get_by_label("Command").fill("printf '\\033[38;2;255;100;0mcolour\\033[0m\\n'; read name; echo Hello $name; exit 7")
    page.get_by_role("button", name="Run").click()
    rows = page.locator(".xterm-rows")
    coloured = rows.get_by_text("colour")
    expect(coloured).to_have_css("color", "rgb(255, 100, 0)")
    page.keyboard.type("Ada\r")
    expect(rows).to_contain_text("Hello Ada")
    expect(page.get_by_text("The command ended with status 7.")).to_be_visible()
