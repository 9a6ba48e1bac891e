"""The address of each page that a member or an administrator opens, by the table of routes: a new page is among them."""

import re
from collections.abc import Mapping

from sqlalchemy import text

from web.routes import ROUTES

# What is fetched by programs, leads elsewhere, is a file or a stream of events, or is seen before one has signed in.
OTHERS = re.compile(
    r"/|/[.]well-known/.*|/metrics|/internal/.*|/nodes.*|/static/.*|/organizations|/billing|/changes|/login.*|/apps/\{app\}/(?:builds|releases)/.*"
    r"|.*/(?:changes|events|log|csv|download|socket|check|code\.svg|usage\.csv)"
)
_VARIABLE = re.compile(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")
PAGES = tuple(path for route in ROUTES if route.method == "GET" and not OTHERS.fullmatch(path := _VARIABLE.sub(r"{\1}", route.path)))


def addresses(names: Mapping[str, str]) -> dict[str, str]:
    """Return the address of each page, by its path in the table of routes."""
    return {path: path.format_map(names) for path in PAGES}


async def names(conn, app: str) -> dict[str, str]:
    """Return what the paths are filled in with: an app with a build, its organization, a plan, and an administrator."""
    row = await conn.first(
        text("""
        SELECT a.organization_id AS organization, b.id AS deploy, p.name AS plan, c.id AS account
        FROM paas_applications a JOIN paas_builds b ON b.app_id = a.id JOIN paas_plan_versions v ON v.id = a.plan_version_id
        JOIN paas_plans p ON p.id = v.plan_id CROSS JOIN paas_accounts c
        WHERE a.name = :app AND c.is_admin ORDER BY b.created_at, c.created_at LIMIT 1
        """).bindparams(app=app)
    )
    return {"app": app, **{name: str(value) for name, value in row._asdict().items()}}
