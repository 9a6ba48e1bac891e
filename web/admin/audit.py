"""The page of the whole audit log, and the same as a table for spreadsheets."""

import json
from collections.abc import Sequence

from aiohttp import web

from skypanel.domain.audit import AuditEntry, AuditFilter
from skypanel.domain.audit_words import OF_PANEL
from skypanel.domain.csv_text import Cell, lines
from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.paging import Page
from skypanel.domain.period import DAY, read_day
from skypanel.flow import activity, organizations
from web import paging
from web.admin.place import admin_page, administrator
from web.keys import PANEL
from web.session import Visitor

PATH = "/admin/audit"
FIELDS = ("who", "action", "app", "organization", "since", "until")
HEADING = ("time", "action", "who", "app", "organization id", "from", "details")
HEADERS = {
    "Content-Type": "text/csv; charset=utf-8",
    "Content-Disposition": 'attachment; filename="audit-log.csv"',
    "Cache-Control": "no-store",
}


async def show(request: web.Request) -> web.Response:
    """Show a page of the audit log, by who, what, where and when."""
    panel, visitor = request.app[PANEL], await administrator(request)
    page, error = Page[AuditEntry](()), None
    try:
        page = await activity.of_panel(panel, visitor.account, await _filter(request, visitor), paging.cursor(request))
    except (Invalid, NotFound) as wrong:
        error = wrong
    return admin_page(
        request,
        visitor,
        "audit",
        "Audit log",
        422 if error else 200,
        entries=page.items,
        fields={name: request.query.get(name, "") for name in FIELDS},
        actions=OF_PANEL,
        error=error,
        csv=str(request.rel_url.with_path(f"{PATH}/csv").with_query(request.query)),
        pages=paging.neighbours(request, page),
    )


async def download(request: web.Request) -> web.StreamResponse:
    """Send the same entries, all of them, as comma-separated values."""
    panel, visitor = request.app[PANEL], await administrator(request)
    parts = activity.exported(panel, visitor.account, await _filter(request, visitor))
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    await response.write(lines([HEADING]).encode())
    async for part in parts:
        await response.write(lines(map(_row, part)).encode())
    await response.write_eof()
    return response


async def _filter(request: web.Request, visitor: Visitor) -> AuditFilter:
    asked = {name: request.query.get(name, "").strip() for name in FIELDS}
    organization_id = None
    if asked["organization"]:
        organization_id = (await organizations.find(request.app[PANEL], visitor.account, asked["organization"])).id
    return AuditFilter(
        organization_id=organization_id,
        email=asked["who"],
        action=asked["action"],
        app_name=asked["app"],
        since=read_day(asked["since"]) if asked["since"] else None,
        until=read_day(asked["until"]) + DAY if asked["until"] else None,
    )


def _details(entry: AuditEntry) -> str:
    return json.dumps(entry.details, ensure_ascii=False, sort_keys=True) if entry.details else ""


def _row(entry: AuditEntry) -> Sequence[Cell]:
    organization = str(entry.organization_id or "")
    who, app, origin = entry.email or "", entry.app_name or "", entry.origin or ""
    return entry.at.isoformat(), entry.action, who, app, organization, origin, _details(entry)
