"""What was done in an organization, by whom."""

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.audit import AuditFilter
from skypanel.domain.audit_words import OF_ORGANIZATIONS
from skypanel.flow import activity
from web import paging
from web.keys import PANEL
from web.pages.organization import place


async def show(request: web.Request) -> web.Response:
    """Show a page of the audit log, filtered by who and what."""
    panel, here = request.app[PANEL], await place.enter(request, Action.VIEW_ACTIVITY)
    wanted = AuditFilter(email=request.query.get("who", "").strip(), action=request.query.get("action", ""))
    with_wallet = here.may(Action.VIEW_WALLET)
    shown = await activity.of_organization(panel, here.organization, wanted, paging.cursor(request), with_wallet=with_wallet)
    pages = paging.neighbours(request, shown)
    return place.render(request, here, "activity", "Activity", entries=shown.items, wanted=wanted, actions=OF_ORGANIZATIONS, pages=pages)
