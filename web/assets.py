"""Static files: our own, and those of npm packages. The digest in a URL lets browsers cache a file for good."""

import hashlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import web

from skypanel.domain.errors import Unavailable
from web import ansi

STATIC = Path(__file__).parent / "static"
# deploy/env.sh installs the packages of web/libraries/package-lock.json here.
LIBRARIES = Path(sys.prefix) / "share" / "skypanel" / "libraries" / "node_modules"
ICONS = LIBRARIES / "lucide-static" / "icons"
FILES: Mapping[str, Path] = {
    **{
        name: STATIC / name
        for name in (
            "style.css",
            "page.js",
            "live.js",
            "passkeys.js",
            "scale.js",
            "console.js",
            "metrics.js",
            "icon.svg",
            "icon-busy.svg",
            "icon-bad.svg",
        )
    },
    "htmx.js": LIBRARIES / "htmx.org/dist/htmx.min.js",
    "uplot.js": LIBRARIES / "uplot/dist/uPlot.iife.min.js",
    "uplot.css": LIBRARIES / "uplot/dist/uPlot.min.css",
    "xterm.js": LIBRARIES / "@xterm/xterm/lib/xterm.js",
    "xterm.css": LIBRARIES / "@xterm/xterm/css/xterm.css",
    "xterm-fit.js": LIBRARIES / "@xterm/addon-fit/lib/addon-fit.js",
}
# The icons that pages use, by their names in Lucide (https://lucide.dev/icons).
ICON_NAMES = (
    *("activity", "arrow-left", "arrow-right", "bell", "boxes", "building-2", "chart-line", "check", "chevron-down", "circle-alert"),
    *("circle-check", "clock", "copy", "credit-card", "download", "ellipsis", "external-link", "file-text", "folder-git-2", "gauge"),
    *("git-branch", "git-commit-horizontal", "globe", "history", "key-round", "layers", "layout-dashboard", "list", "lock", "log-out"),
    *("mail", "moon", "package", "pause", "pencil", "play", "plus", "power", "receipt", "refresh-cw", "rocket", "rotate-ccw", "scale"),
    *("scroll-text", "search", "server", "settings", "shield", "sliders-horizontal", "smartphone", "square-terminal", "stethoscope"),
    *("trash-2", "triangle-alert", "user", "user-plus", "users", "wallet", "x"),
)
SPRITE, COLOURS = "icons.svg", "colours.css"
FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_SHAPE = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


@dataclass(frozen=True)
class Asset:
    """A file to serve, with the first 16 digits of its SHA-256."""

    name: str
    digest: str

    @property
    def url(self) -> str:
        """The path at which the dashboard serves this content."""
        return f"/static/{self.digest}/{self.name}"


@cache
def asset(name: str) -> Asset:
    """Return a file by its name in FILES or GENERATED. Raises Unavailable if it is not installed."""
    return Asset(name, hashlib.sha256(content(name)).hexdigest()[:16])


def content(name: str) -> bytes:
    """Return a file's content. Raises Unavailable if it is not installed."""
    try:
        return GENERATED[name]() if name in GENERATED else FILES[name].read_bytes()
    except FileNotFoundError as error:
        raise Unavailable("The dashboard's libraries are not installed.", "Run `make env`, then start the panel again.") from error


def url(name: str) -> str:
    """Return the URL of a file. It changes with the content."""
    return asset(name).url


async def serve(request: web.Request) -> web.StreamResponse:
    """Send a file. An old digest gets the current content, which must not be cached under that name."""
    name = request.match_info["name"]
    if name not in GENERATED and name not in FILES:
        raise web.HTTPNotFound
    is_current = request.match_info["content"] == asset(name).digest
    headers = {"Cache-Control": FOREVER if is_current else "no-store", "Content-Type": _TYPES[Path(name).suffix]}
    if name in GENERATED:
        return web.Response(body=content(name), headers=headers)
    return web.FileResponse(FILES[name], headers=headers)


def _sprite() -> bytes:
    """Return one SVG with a symbol for each icon, so that a page names icons instead of repeating their shapes."""
    shapes = {name: _SHAPE.search((ICONS / f"{name}.svg").read_text()) for name in ICON_NAMES}
    symbols = (f'<symbol id="{name}" viewBox="0 0 24 24">{shape[1].strip()}</symbol>' for name, shape in shapes.items() if shape)
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>'.encode()


GENERATED: Mapping[str, Callable[[], bytes]] = {SPRITE: _sprite, COLOURS: ansi.stylesheet}
