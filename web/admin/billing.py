"""The page of all wallets, and the form that credits one."""

from aiohttp import web

from skypanel.domain.billing import read_amount
from skypanel.domain.errors import Invalid, NotFound, SkyPanelError
from skypanel.domain.paging import page_number
from skypanel.flow import billing, figures, organizations, wallet
from web import forms, paging
from web.admin.place import admin_page, administrator
from web.keys import PANEL
from web.messages import done
from web.session import Visitor

PATH = "/admin/billing"
TAB = "Billing"
FIELDS = ("organization", "amount", "note")


async def show(request: web.Request) -> web.Response:
    """Show a page of the wallets."""
    return await _page(request, await administrator(request))


async def change(request: web.Request) -> web.Response:
    """Credit a wallet, or set whether an organization pays."""
    visitor, fields = await administrator(request), await forms.read(request)
    try:
        said = await _change(request, visitor, fields)
    except (Invalid, NotFound) as error:
        return await _page(request, visitor, 422, error=error, fields=fields)
    return done(request, PATH, said)


async def _change(request: web.Request, visitor: Visitor, fields: forms.Fields) -> str:
    """Do what the button says, and return what the next page says."""
    panel, by, wanted = request.app[PANEL], visitor.account, fields.get("do", "")
    found = await organizations.find(panel, by, fields.get("organization", "").strip())
    if wanted in {"charge", "exempt"}:
        await wallet.set_billed(panel, found, by, billed=wanted == "charge")
        return f"{found.name} {'pays for its apps.' if wanted == 'charge' else 'pays nothing.'}"
    if wanted != "credit":
        raise Invalid("This is nothing that can be done to a wallet.", "Use one of the buttons on the page.")
    left = await wallet.credit(panel, found, read_amount(fields.get("amount", "").strip()), fields.get("note", ""), by)
    return f"{found.name} has {(await billing.formatter(panel))(left)}."


async def _page(
    request: web.Request, visitor: Visitor, status: int = 200, *, error: SkyPanelError | None = None, fields: forms.Fields | None = None
) -> web.Response:
    panel, text = request.app[PANEL], request.query.get("q", "")
    part = await figures.search(panel, visitor.account, text, page_number(request.query.get("page", "")))
    return admin_page(
        request,
        visitor,
        "billing",
        TAB,
        status,
        part=part,
        q=text,
        money=await billing.formatter(panel),
        is_on=await billing.is_on(panel),
        error=error,
        fields={name: (fields or {}).get(name, "") for name in FIELDS},
        pages=paging.numbered(request, part),
    )
