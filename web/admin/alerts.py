"""The page of alerts."""

from uuid import UUID

from aiohttp import web

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AlertId
from skypanel.domain.paging import page_number
from skypanel.flow import alerts
from web import forms, paging
from web.admin.place import admin_page, administrator
from web.keys import PANEL
from web.messages import done


async def show(request: web.Request) -> web.Response:
    """Show a page of all alerts, the open ones first."""
    visitor = await administrator(request)
    part = await alerts.history(request.app[PANEL], visitor.account, page_number(request.query.get("page", "")))
    return admin_page(request, visitor, "alerts", "Alerts", part=part, pages=paging.numbered(request, part))


async def resolve(request: web.Request) -> web.Response:
    """Close an alert."""
    visitor, fields = await administrator(request), await forms.read(request)
    alert = await alerts.resolve(request.app[PANEL], visitor.account, _id(fields))
    return done(request, "/admin/alerts", f"Resolved: {alert.message}")


def _id(fields: forms.Fields) -> AlertId:
    try:
        return AlertId(UUID(fields.get("id", "")))
    except ValueError:
        raise Invalid("This names no alert.", "Use a button of the page.") from None
