"""Takes the pictures of docs/screenshots from a panel of its own, with sample apps: `make screenshots`.

Each page is taken light and dark, at 1280 and at 390 px.
"""

from pathlib import Path

from playwright.sync_api import Browser

from tests.journeys.browser import Visit, running_browser
from tests.journeys.harness import PanelUnderTest, new_panel

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
PAGES = {
    "apps": "/apps",
    "overview": "/apps/shop",
    "failure": "/apps/broken",
    "deploys": "/apps/shop/deploys",
    "environment": "/apps/shop/environment",
    "access": "/apps/shop/access",
    "settings": "/apps/shop/settings",
    "keys": "/account/keys",
    "plans": "/plans",
    "platform": "/admin",
}
SCHEMES = ("light", "dark")
WIDTHS = {1280: {}, 390: {"has_touch": True, "is_mobile": True}}
HEIGHT = 800


def fill(panel: PanelUnderTest) -> None:
    """Deploy apps that have something to show."""
    panel.repository("python-plain").push("hello")
    shop = panel.repository("node-plain")
    shop.push("shop")
    panel.cli("config", "shop", "--set", "GREETING=hi")
    panel.repository("broken-build").git("push", panel.remote("broken"), "HEAD:refs/heads/main", check=False)


def take(panel: PanelUnderTest, browser: Browser) -> None:
    """Take every page in every scheme and width."""
    FOLDER.mkdir(exist_ok=True)
    for scheme in SCHEMES:
        for width, options in WIDTHS.items():
            visit = Visit(panel, browser, color_scheme=scheme, viewport={"width": width, "height": HEIGHT}, **options)
            page = visit.sign_in()
            for name, path in PAGES.items():
                page.goto(path)
                page.screenshot(path=FOLDER / f"{name}-{scheme}-{width}.png", full_page=width != min(WIDTHS))
            visit.close()


def main() -> None:
    with new_panel() as panel, running_browser() as browser:
        fill(panel.up())
        take(panel, browser)


if __name__ == "__main__":
    main()
