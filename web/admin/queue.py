"""The page of builds and rollouts that run or wait."""

from uuid import UUID

from aiohttp import web

from skypanel.domain.errors import Conflict, Invalid, NotFound, SkyPanelError
from skypanel.domain.job import JobKind
from skypanel.flow import jobs
from web import forms
from web.admin.place import admin_page, administrator
from web.keys import PANEL
from web.messages import done
from web.session import Visitor

PATH = "/admin/queue"
TAB = "Queue"


async def show(request: web.Request) -> web.Response:
    """Show what runs and what waits."""
    return await _page(request, await administrator(request))


async def cancel(request: web.Request) -> web.Response:
    """Cancel a build or rollout."""
    visitor, fields = await administrator(request), await forms.read(request)
    try:
        app = await jobs.cancel(request.app[PANEL], visitor.account, *_job(fields))
    except (Conflict, Invalid, NotFound) as error:
        return await _page(request, visitor, 422, error=error)
    return done(request, PATH, f"The {fields['kind']} of {app.name} is cancelled.")


def _job(fields: forms.Fields) -> tuple[JobKind, UUID]:
    try:
        return JobKind(fields.get("kind", "")), UUID(fields.get("id", ""))
    except ValueError:
        raise Invalid("This is neither a build nor a rollout.", "Use one of the buttons on the page.") from None


async def _page(request: web.Request, visitor: Visitor, status: int = 200, *, error: SkyPanelError | None = None) -> web.Response:
    shown = await jobs.overview(request.app[PANEL], visitor.account)
    return admin_page(request, visitor, "queue", TAB, status, shown=shown, error=error)
