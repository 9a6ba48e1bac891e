"""The balances of the account's organizations, and the monthly cost of their apps."""

from datetime import timedelta
from decimal import Decimal

from aiohttp import web

from skypanel.domain.billing import month_of, read_month
from skypanel.flow import billing, organizations, wallet
from web import session
from web.keys import PANEL
from web.rendering import page_for

LINES = 10


async def show(request: web.Request) -> web.Response:
    """Show each organization's wallet, and the cost of its apps in this month or another."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    since, until = read_month(request.query["month"]) if "month" in request.query else month_of(panel.clock.now())
    shown = []
    for organization, _ in await organizations.mine(panel, visitor.account):
        used = await wallet.report(panel, organization, since, until)
        total = sum((app.cost for app in used), start=Decimal(0))
        shown.append({"wallet": await wallet.show(panel, organization, LINES), "used": used, "total": total})
    before, after = month_of(since - timedelta(days=1))[0], until if until <= panel.clock.now() else None
    return page_for(
        request,
        visitor,
        "billing",
        place="organization",
        shown=shown,
        money=await billing.formatter(panel),
        month=since,
        before=before,
        after=after,
    )
