"""Pages from templates."""

from datetime import UTC, datetime

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from skypanel.domain.log import brief
from skypanel.domain.transcript import size
from web import session
from web.colours import shown
from web.keys import PANEL
from web.session import Visitor

_TEMPLATES = Environment(loader=PackageLoader("web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_AGES = ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600), (30 * 86400, "d", 86400))


def page(template: str, status: int = 200, **values: object) -> web.Response:
    """Render a page. It is marked no-store, because pages are private and change."""
    text = _TEMPLATES.get_template(f"{template}.html").render(values)
    return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-store"})


def page_for(request: web.Request, visitor: Visitor, template: str, status: int = 200, **values: object) -> web.Response:
    """Render a page for the signed-in account."""
    now = request.app[PANEL].clock.now()
    return page(template, status, account=visitor.account, form_token=session.form_token(visitor.session), now=now, **values)


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, or its date after 30 days."""
    age_s = max(0, int((now - moment).total_seconds()))
    return next((f"{age_s // unit_s} {unit} ago" for bound, unit, unit_s in _AGES if age_s < bound), f"{moment.astimezone(UTC):%Y-%m-%d}")


def utc(moment: datetime) -> str:
    """Return a moment in UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


_TEMPLATES.filters |= {"ago": ago, "utc": utc, "shown": shown, "size": size, "brief": brief}
