"""Pages from templates."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from skypanel.domain.access import Role
from skypanel.domain.account import Account, Organization
from skypanel.domain.audit_words import described, words
from skypanel.domain.log import brief
from skypanel.domain.session import browser_of
from skypanel.domain.transcript import size
from web import ansi, assets, messages, places, session
from web.keys import PANEL
from web.session import Visitor

_TEMPLATES = Environment(loader=PackageLoader("web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_AGES = ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600), (30 * 86400, "d", 86400))


def page(template: str, status: int = 200, **values: object) -> web.Response:
    """Render a page. It is marked no-store, because pages are private and change."""
    return web.Response(text=render(template, **values), status=status, content_type="text/html", headers={"Cache-Control": "no-store"})


def render(template: str, **values: object) -> str:
    """Return a template's text."""
    return _TEMPLATES.get_template(f"{template}.html").render(values)


@dataclass(frozen=True)
class Frame:
    """What surrounds every page of a signed-in account: the sidebar, and the message of the form before."""

    account: Account
    organizations: Sequence[tuple[Organization, Role]]
    acting_for: Organization | None
    place: str
    here: str
    message: str | None


def page_for(
    request: web.Request, visitor: Visitor, template: str, status: int = 200, *, place: str = "", **values: object
) -> web.Response:
    """Render a page in the frame; `place` is the sidebar's current entry: apps, organization, account or admin."""
    message = messages.take(request)
    frame = Frame(visitor.account, visitor.organizations, visitor.acting_for, place, request.path, message)
    token, now = session.form_token(visitor.session), request.app[PANEL].clock.now()
    response = page(template, status, frame=frame, account=visitor.account, form_token=token, now=now, **values)
    if message is not None:
        messages.drop(request, response)
    return response


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, or its date after 30 days."""
    age_s = max(0, int((now - moment).total_seconds()))
    return next((f"{age_s // unit_s} {unit} ago" for bound, unit, unit_s in _AGES if age_s < bound), f"{moment.astimezone(UTC):%Y-%m-%d}")


def utc(moment: datetime) -> str:
    """Return a moment in UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _idempotency_key() -> str:
    """Return a key that makes a second POST of the same form have no effect (web/idempotency.py)."""
    return secrets.token_urlsafe(16)


_TEMPLATES.filters |= {
    "ago": ago,
    "utc": utc,
    "styled": ansi.parse,
    "size": size,
    "brief": brief,
    "browser": browser_of,
    "action_words": words,
    "described": described,
}
_GLOBALS: dict[str, Callable[..., object]] = {
    "asset": assets.url,
    "idempotency_key": _idempotency_key,
    "account_tabs": places.account_tabs,
    "admin_tabs": places.admin_tabs,
    "organization_url": places.organization_url,
}
_TEMPLATES.globals.update(_GLOBALS)
