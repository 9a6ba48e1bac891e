"""Debian's Chromium at the dashboard of a panel under test, driven by Playwright."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Response, sync_playwright

from tests.journeys.harness import PanelUnderTest

NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
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
TIMEOUT_MS = 20_000

# The texts whose contrast with what is behind them is under 4.5 (WCAG 2.2, 1.4.3).
UNREADABLE = """() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = numbers(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!hasText || !element.checkVisibility()) continue;
    const [one, other] = [luminance(numbers(getComputedStyle(element).color)), luminance(behind(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) found.push(`${element.textContent.trim()}: ${contrast.toFixed(2)}`);
  }
  return found;
}"""


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
        self.context = browser.new_context(base_url=self.origin, **options)
        self.context.set_default_timeout(TIMEOUT_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.goto = partial(_goto, self.page.goto)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: request.url.startswith(self.origin) or self.complaints.append(f"asked for {request.url}"))

    def sign_in(self) -> Page:
        """Sign in by a one-time link, as the terminal prints it."""
        self.page.goto(self.panel.cli("login-link").stdout.strip())
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.get_by_role("heading", name="Apps").wait_for()
        return self.page

    def close(self) -> None:
        self.context.close()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and NETWORK_CHANGED not in message.text:
            self.complaints.append(message.text)


def _goto(original: Callable[..., Response | None], url: str, **options: object) -> Response | None:
    """Load a page, again if other tests changed the networks of this machine meanwhile: Chromium then breaks off what it loads."""
    try:
        return original(url, **options)
    except Error as error:
        if NETWORK_CHANGED not in error.message:
            raise
        return original(url, **options)
