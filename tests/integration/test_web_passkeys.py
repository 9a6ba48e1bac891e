"""The script of passkeys, in Chromium with an authenticator that the browser simulates."""

import shutil

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import async_playwright

from skypanel.flow import accounts, passkeys
from tests.journeys.browser import OPTIONS, TIMEOUT_MS

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
async def browser():
    async with async_playwright() as playwright:
        yield await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)


async def test_a_passkey_is_made_and_used_in_a_browser(browser, dashboard, stage):
    server = TestServer(dashboard)
    await server.start_server()
    origin = f"http://skypanel.localhost:{server.port}"
    context = await browser.new_context(base_url=origin)
    context.set_default_timeout(TIMEOUT_MS)
    page, complaints = await context.new_page(), []
    page.on("console", lambda message: message.type in {"error", "warning"} and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    devtools = await context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    await page.goto(await accounts.login_link(stage.panel, stage.admin))
    await page.get_by_role("button", name="Sign in").click()
    await page.goto("/account/security")
    await page.get_by_label("Where it is").fill("this laptop")
    await page.get_by_role("button", name="Add a passkey").click()
    await page.get_by_text("The passkey this laptop is added.").wait_for()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await page.get_by_role("heading", name="Apps").wait_for()
    [passkey] = await passkeys.of(stage.panel, stage.admin)
    assert passkey.last_used_at is not None
    assert complaints == []
    await context.close()
    await server.close()
