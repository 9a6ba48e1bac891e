"""What an organization's apps used in a month or another period, as a page and for spreadsheets."""

from urllib.parse import urlencode

from aiohttp import web

from skypanel.domain import csv_text
from skypanel.domain.billing import DECIMALS, HOURLY_DECIMALS
from skypanel.domain.errors import Invalid
from skypanel.domain.paging import Part
from skypanel.domain.period import Period, read_period
from skypanel.flow import billing, usage
from web import paging
from web.charts import bars
from web.keys import PANEL
from web.pages.organization import place

# A chart of less has more decimals.
CENTS = 1


async def show(request: web.Request) -> web.Response:
    """Show the cost of each app and of each day."""
    panel, here = request.app[PANEL], await place.enter(request)
    error, status = None, 200
    try:
        period = _period(request)
    except Invalid as invalid:
        period, error, status = read_period("", "", "", panel.clock.now()), invalid, 422
    report = await usage.report(panel, here.organization, period, paging.number(request))
    money = await billing.formatter(panel)
    decimals = HOURLY_DECIMALS if max(day.cost for day in report.days) < CENTS else DECIMALS
    part = Part(report.used.apps, paging.number(request), report.used.count)
    chart = bars([(f"{day.day:%d %b}: {money(day.cost, decimals=decimals)}", day.cost) for day in report.days])
    return place.render(
        request,
        here,
        "usage",
        "Usage",
        status,
        report=report,
        part=part,
        pages=paging.numbered(request, part),
        chart=chart,
        scale=[(line, money(value, decimals=decimals)) for line, value in chart.lines],
        earlier=_url(f"{here.url}/usage", period.earlier()),
        later=_url(f"{here.url}/usage", period.later()) if period.until <= panel.clock.now() else None,
        download=_url(f"{here.url}/usage.csv", period),
        money=money,
        error=error,
    )


async def download(request: web.Request) -> web.Response:
    """Send the table of apps as CSV."""
    here = await place.enter(request)
    period = _period(request)
    used = (await usage.report(request.app[PANEL], here.organization, period)).used
    rows = [(str(period.first), str(period.last), app.app_name, app.dyno_hours, app.cost) for app in used.apps]
    name = f"usage-{period.first}-{period.last}.csv"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    text = csv_text.table(("from", "until", "app", "dyno hours", "cost"), rows)
    return web.Response(text=text, content_type="text/csv", headers=headers)


def _period(request: web.Request) -> Period:
    month, first, last = (request.query.get(name, "") for name in ("month", "from", "until"))
    return read_period(month, first, last, request.app[PANEL].clock.now())


def _url(path: str, period: Period) -> str:
    query = {"month": f"{period.first:%Y-%m}"} if period.is_month else {"from": str(period.first), "until": str(period.last)}
    return f"{path}?{urlencode(query)}"
