"""What was done to an app, by whom."""

from aiohttp import web

from skypanel.domain.audit import AuditFilter
from skypanel.domain.audit_words import OF_APPS
from skypanel.flow import activity
from web import paging
from web.keys import PANEL
from web.pages import app_frame


async def show(request: web.Request) -> web.Response:
    """Show a page of the app's audit log to members of its organization, filtered by who and what."""
    framed = await app_frame.find(request)
    wanted = AuditFilter(email=request.query.get("who", "").strip(), action=request.query.get("action", ""))
    shown = await activity.of_app(request.app[PANEL], framed.app, framed.visitor.account, wanted, paging.cursor(request))
    pages = paging.neighbours(request, shown)
    values = {"entries": shown.items, "wanted": wanted, "actions": OF_APPS, "pages": pages}
    return app_frame.render(request, framed, "app/activity", "Activity", 200, **values)
