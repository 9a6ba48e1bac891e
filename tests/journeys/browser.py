"""Debian's Chromium at the dashboard of a panel under test, driven by Playwright."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from playwright.sync_api import Browser, CDPSession, Error, Page, Response, ViewportSize, expect, sync_playwright

from tests.journeys.harness import PanelUnderTest
from tests.support.page_rules import MISFITS, NETWORK_CHANGED, note_complaints

# It asks nobody but the panel for anything, and its sandbox cannot be made by root.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 60_000
# Its default is 5 s, in which a busy machine does not render a page.
expect.set_options(timeout=TIMEOUT_MS)
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 800}
TOUCH_PX = 44
# What a visit is with: all of it happens at that width.
COMPUTER = {"viewport": DESKTOP}
TELEPHONE = {"viewport": PHONE, "has_touch": True}


@contextmanager
def running_browser() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    assert executable, "chromium is missing: make env-dev installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One browser window of a user: nothing of it is shared with another."""

    def __init__(self, panel: PanelUnderTest, browser: Browser, **options: object) -> None:
        self.panel = panel
        self.origin = f"http://skypanel.localhost:{panel.ports[1]}"
        self._device = COMPUTER | options
        self.context = browser.new_context(base_url=self.origin, **self._device)
        self.context.set_default_timeout(TIMEOUT_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self._touch: CDPSession | None = None
        self.page.goto = partial(_goto, self.page.goto)
        note_complaints(self.page, self.complaints)
        self.page.on("request", lambda request: request.url.startswith(self.origin) or self.complaints.append(f"asked for {request.url}"))

    def sign_in(self) -> Page:
        """Sign in by a one-time link, as the terminal prints it."""
        self.page.goto(self.panel.cli("login-link").stdout.strip())
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.get_by_role("heading", name="Apps").wait_for()
        return self.page

    def sign_in_by(self, link: str) -> Page:
        """Sign in by the link of an invitation."""
        self.page.goto(link)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.get_by_role("navigation", name="Main").wait_for()
        return self.page

    def look(self) -> None:
        """See that what is shown fits a desktop's window and a phone's."""
        self._resize(DESKTOP, is_touch=False)
        self._check_fits(0)
        self._resize(PHONE, is_touch=True)
        self._check_fits(TOUCH_PX)
        self._resize(self._device["viewport"], is_touch=bool(self._device.get("has_touch")))

    def _check_fits(self, least: int) -> None:
        assert self.page.evaluate(MISFITS, least) == [], self.page.url

    def _resize(self, size: ViewportSize, *, is_touch: bool) -> None:
        self._touch = self._touch or self.context.new_cdp_session(self.page)
        self._touch.send("Emulation.setTouchEmulationEnabled", {"enabled": is_touch, "maxTouchPoints": 1})
        self.page.set_viewport_size(size)

    def close(self) -> None:
        self.context.close()


def _goto(original: Callable[..., Response | None], url: str, **options: object) -> Response | None:
    """Load a page, again if other tests changed the networks of this machine meanwhile: Chromium then breaks off what it loads."""
    try:
        return original(url, **options)
    except Error as error:
        if NETWORK_CHANGED not in error.message:
            raise
        return original(url, **options)


NewVisit = Callable[..., Visit]
