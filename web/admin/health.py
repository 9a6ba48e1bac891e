"""The page of what `skypanel doctor` finds."""

from aiohttp import web

from web.admin.place import admin_page, administrator
from web.keys import DOCTOR, take_time


async def show(request: web.Request) -> web.Response:
    """Check the machine and the panel, and show what is wrong."""
    visitor = await administrator(request)
    take_time(request)
    found = await request.app[DOCTOR].examine()
    return admin_page(request, visitor, "health", "Health", findings=sorted(found, key=lambda finding: finding.is_warning))
