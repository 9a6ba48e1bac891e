"""Every page in a real browser: axe-core, both colour schemes, both widths, and no complaint."""

import re
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import async_playwright, expect

from skypanel.domain.alert import AlertKind, Problem
from skypanel.domain.log import LogLine
from skypanel.domain.manifest import DynoState
from skypanel.domain.node import SecretKind, SshLogin
from skypanel.domain.report import DynoUse, Report
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import alert_destinations, heartbeat, metrics, organizations
from skypanel.flow import config as config_flow
from skypanel.flow import people as people_flow
from skypanel.store import alerts, audit, keys, nodes
from tests.fixtures.web import HOST, ORIGIN
from tests.journeys.browser import OPTIONS
from tests.support.crowd import crowd, used
from tests.support.page_rules import AXE, MISFITS, VIOLATIONS, note_complaints
from tests.support.pages import PAGES, names

# What fits 360 px fits 390 px, too.
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 800}
TOUCH_PX = 44
# Only a failure takes so long.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
# Those of who is not signed in.
VISITORS = ("/login", "/login?token=x", "/login/forgotten", "/login/reset?token=x")


class Eyes:
    """A browser window that looks at pages, and collects what is wrong with them."""

    def __init__(self, page, touch):
        self.page, self._touch = page, touch
        self.wrong = []

    async def look(self, path):
        """Load a page once, and see it in both schemes and at both widths."""
        response = await self.page.goto(path)
        if response.status != 200:
            self.wrong.append(f"{path}: {response.status}")
        await self.page.evaluate(AXE)
        wrong = await self.page.evaluate(VIOLATIONS, [])
        wrong += await self.page.evaluate(MISFITS, 0)
        await self.page.emulate_media(color_scheme="dark")
        wrong += [f"dark: {each}" for each in await self.page.evaluate(VIOLATIONS, ["color-contrast"])]
        await self._at(NARROW, is_touch=True)
        wrong += [f"narrow: {each}" for each in await self.page.evaluate(MISFITS, TOUCH_PX)]
        narrow = await self.page.evaluate(VIOLATIONS, ["color-contrast", "scrollable-region-focusable"])
        wrong += [f"narrow and dark: {each}" for each in narrow]
        await self._at(WIDE, is_touch=False)
        await self.page.emulate_media(color_scheme="light")
        self.wrong += [f"{path}: {each}" for each in wrong]

    async def _at(self, size, *, is_touch):
        await self._touch.send("Emulation.setTouchEmulationEnabled", {"enabled": is_touch, "maxTouchPoints": 1})
        await self.page.set_viewport_size(size)


@pytest.fixture
async def eyes(dashboard):
    """A browser for which the dashboard under test has its name."""
    server = TestServer(dashboard)
    await server.start_server()
    mapped = f"--host-resolver-rules=MAP {HOST} 127.0.0.1:{server.port}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*OPTIONS, mapped])
        page = await browser.new_page(base_url=ORIGIN, viewport=WIDE, color_scheme="light")
        eyes = Eyes(page, await page.context.new_cdp_session(page))
        note_complaints(page, eyes.wrong)
        yield eyes
        await browser.close()
    await server.close()


async def sign_in(eyes, stage):
    await eyes.page.goto(await accounts_flow.login_link(stage.panel, stage.admin))
    await eyes.page.get_by_role("button", name="Sign in", exact=True).click()
    await eyes.page.get_by_role("heading", name="Apps").wait_for()


async def fill(stage):
    """Make one of everything: an app with config vars that is live, whose last build failed and whose dyno crashed, people, keys."""
    panel, admin = stage.panel, stage.admin
    app = await stage.app("hello")
    await stage.push(app)
    await stage.work()
    await config_flow.change(panel, app, {"GREETING": "hi", "LD_PRELOAD": "x.so"}, admin)
    await stage.work()
    panel.builder.answer("compile", code=1, out=b"Compiling\nerror: no such module\n")
    build = await stage.push(app)
    await stage.work()
    for key, dyno in panel.scheduler.running.items():
        panel.scheduler.running[key] = replace(dyno, state=DynoState.CRASHED, reason="exited with status 1")
        panel.scheduler.printed[key] = ["KeyError: 'DATABASE_URL'"]
    for text in ("serving", "[ERROR] no such table", "\x1b[32mGET\x1b[0m / 200", f"level=warn {'long ' * 60}", "x" * 300):
        panel.logs.add(app, "web.1", text)
    await people_flow.invite(panel, "ada@example.com", admin)
    login = SshLogin("198.51.100.7", 22, "root", "ssh-ed25519 AAAA", SecretKind.PASSWORD, "secret")
    await accounts_flow.add_token(panel, admin, "laptop")
    async with panel.transaction() as conn:
        await keys.add(conn, admin.id, "ssh-ed25519 AAAA", "SHA256:mine", "laptop")
        node = await nodes.add(conn, "worker-1", login, b"secret")
        await alerts.add(conn, AlertKind.NODE_INACTIVE, Problem("worker-1", "Node worker-1 is inactive."))
        await alerts.add(conn, AlertKind.CRASH_LOOP, Problem(str(app.id), "web.1 of hello crashed 4 times.", app_id=app.id))
        await used(conn, panel.clock.now())
    for organization in (None, (await organizations.mine(panel, admin))[0][0]):
        await alert_destinations.add(panel, admin, organization, name="Operations", url="jsons://hooks.example.com/")
    await heartbeat.record(panel, node, Report(4, 1.25, 8 * 1024**3, 1024**3, 10 * 1024**3, 2 * 1024**3, 7))
    await sampled(panel, app)
    return {"app": app.name, "deploy": str(build.id)}


async def sampled(panel, app):
    """Sample a dyno that restarts."""
    for restarts in range(3):
        panel.metrics.uses = [DynoUse(app.id, "web.1", 0.25, 50_000_000, 1000.0, 1000.0, 5_000_000, restarts)]
        await metrics.sample(panel)
        panel.clock.advance(20)
    panel.clock.advance(-20)


async def test_no_page_has_a_flaw(eyes, stage, main):
    for path in VISITORS:
        await eyes.look(path)
    await sign_in(eyes, stage)
    given = {"organization": str(main.id), "account": str(stage.admin.id), "plan": "Hobby"}
    for path in PAGES:
        if "{app}" not in path:
            await eyes.look(path.format_map(given))
    given |= await fill(stage)
    for path in PAGES:
        await eyes.look(path.format_map(given))
    assert not eyes.wrong, "\n".join(eyes.wrong)


async def test_metrics_are_drawn_in_the_colours_of_the_scheme(eyes, stage, app):
    await sampled(stage.panel, app)
    await sign_in(eyes, stage)
    await eyes.page.goto("/apps/hello/metrics")
    charts = eyes.page.locator("#metrics canvas")
    assert await charts.count() == 5
    light = await charts.first.evaluate("canvas => canvas.toDataURL()")
    await eyes.page.emulate_media(color_scheme="dark")
    await expect(charts).to_have_count(5)
    assert await charts.first.evaluate("canvas => canvas.toDataURL()") != light


async def test_an_apps_log_shows_how_many_lines_and_errors_there_were(eyes, stage, app):
    now = stage.panel.clock.now()
    lines = [
        LogLine("web.1", now - timedelta(minutes=number % 50, seconds=9), "[ERROR] x" if number % 9 == 0 else "y") for number in range(500)
    ]
    await stage.panel.logs.append(app.id, lines)
    await sign_in(eyes, stage)
    await eyes.page.goto("/apps/hello/logs")
    await eyes.page.get_by_role("img", name="Lines and errors from").wait_for()
    await expect(eyes.page.get_by_role("heading", name="Lines over time")).to_contain_text("500 lines, 56 of them errors")
    await eyes.look("/apps/hello/logs?level=error")
    await eyes.look("/apps/hello/logs/histogram?level=error")
    await eyes.page.get_by_text("In numbers").click()
    await eyes.page.get_by_role("table").get_by_role("link").first.click()
    await expect(eyes.page.get_by_role("log")).to_contain_text("[ERROR] x")
    assert not eyes.wrong, "\n".join(eyes.wrong)


async def test_an_apps_log_goes_on_by_itself_but_while_it_is_paused(eyes, stage, app):
    await sign_in(eyes, stage)
    await eyes.page.goto("/apps/hello/logs")
    log, pause = eyes.page.get_by_role("log"), eyes.page.get_by_role("button", name="Pause")
    stage.panel.logs.add(app, "web.1", "first\x1b[31m of all <b>")
    await expect(log).to_contain_text("web.1 first of all <b>")
    await pause.click()
    stage.panel.logs.add(app, "web.1", "second")
    await eyes.page.reload()
    await expect(log).to_contain_text("second")
    await pause.click()
    stage.panel.logs.add(app, "web.1", "third")
    await expect(log).not_to_have_class("log live")
    await pause.click()
    await expect(log).to_contain_text("third")
    assert await log.locator("div").count() == 3
    assert not eyes.wrong, "\n".join(eyes.wrong)


async def test_no_page_has_a_flaw_beside_a_thousand_apps(eyes, stage, app):
    async with stage.panel.transaction() as conn:
        await crowd(conn, app.name)
        await used(conn, stage.panel.clock.now())
        given = await names(conn, app.name)
    await sign_in(eyes, stage)
    for path in PAGES:
        await eyes.look(path.format_map(given))
    assert not eyes.wrong, "\n".join(eyes.wrong)


async def test_no_page_of_an_app_without_deploys_has_a_flaw(eyes, stage):
    app = await stage.app("bare")
    await sign_in(eyes, stage)
    for path in PAGES:
        if "{app}" in path and "{deploy}" not in path:
            await eyes.look(path.format(app=app.name))
    assert not eyes.wrong, "\n".join(eyes.wrong)


async def test_the_log_of_a_deploy_is_wrapped_and_copied_by_buttons(eyes, stage, app):
    page = eyes.page
    stage.panel.builder.answer("compile", code=1, out=b"x" * 300 + b"\nsecond <b>\n")
    build = await stage.push(app, "second")
    await stage.work()
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=ORIGIN)
    await sign_in(eyes, stage)
    await page.goto(f"/apps/hello/deploys/{build.id}")
    log, wrap = page.get_by_role("log"), page.get_by_role("button", name="Wrap lines")
    await expect(log).to_contain_text("second <b>")
    is_cut = "log => log.scrollWidth > log.clientWidth"
    for pressed, cut in (("true", False), ("false", True), ("true", False)):
        await expect(wrap).to_have_attribute("aria-pressed", pressed)
        assert await log.evaluate(is_cut) == cut
        await wrap.click()
    await page.locator("[data-copy-log]").click()
    await expect(page.get_by_role("status").first).to_contain_text("The log is copied.")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert "x" * 300 + "\n" in copied
    assert "second <b>\n" in copied
    assert not eyes.wrong, "\n".join(eyes.wrong)


async def test_the_title_and_the_icon_tell_that_a_deploy_has_ended(eyes, stage, app):
    icon, page = eyes.page.locator("#favicon"), eyes.page
    await sign_in(eyes, stage)
    await page.goto("/apps/hello")
    await expect(page).to_have_title("Overview · hello · SkyPanel")
    await stage.push(app, "second")
    await expect(page).to_have_title("… Overview · hello · SkyPanel")
    await expect(icon).to_have_attribute("href", re.compile("icon-busy[.]svg"))
    await stage.work()
    await expect(page).to_have_title("Overview · hello · SkyPanel")
    await expect(icon).to_have_attribute("href", re.compile("/icon[.]svg"))
    assert not eyes.wrong, "\n".join(eyes.wrong)


async def test_keys_lead_to_the_apps_to_the_search_and_to_their_own_list(eyes, stage, app):
    page = eyes.page
    await sign_in(eyes, stage)
    await page.goto("/plans")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    await page.keyboard.press("/")
    await expect(page.get_by_label("Name", exact=True)).to_be_focused()
    await page.goto("/plans")
    await page.keyboard.type("ga")
    await expect(page).to_have_url(re.compile("/apps$"))
    assert not eyes.wrong, "\n".join(eyes.wrong)


async def test_back_and_a_reload_after_a_write_send_nothing_again(eyes, stage, app):
    page = eyes.page
    await sign_in(eyes, stage)
    await page.goto("/apps/hello/environment")
    await page.get_by_label("Name", exact=True).fill("READY")
    await page.get_by_label("Value", exact=True).fill("yes")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("cell", name="READY", exact=True).first).to_be_visible()
    await page.goto("/apps/hello/settings")
    branch = page.get_by_role("textbox", name="Branch")
    await branch.fill("release")
    await branch.press("Enter")
    await expect(page.get_by_role("status").first).to_contain_text("release")
    await page.reload()
    await page.go_back()
    await page.go_back()
    await page.reload()
    await expect(page.get_by_role("cell", name="READY", exact=True).first).to_be_visible()
    async with stage.panel.transaction() as conn:
        done = [row.action for row in await audit.recent(conn, 10) if row.action in {"config.change", "app.branch"}]
    assert sorted(done) == ["app.branch", "config.change"]
    assert not eyes.wrong, "\n".join(eyes.wrong)
