"""Every URL of the administrators' pages."""

from aiohttp import web

from web.admin import alerts, audit, billing, health, nodes, organizations, overview, people, plans, queue, settings

_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PLAN = "/admin/plans/{plan:[A-Za-z0-9_-]{1,40}}"
PERSON = f"/admin/people/{{account:{_ID}}}"
ORGANIZATION = f"/admin/organizations/{{organization:{_ID}}}"

ROUTES = (
    web.get("/admin", overview.show),
    web.get("/admin/people", people.index),
    web.post("/admin/people", people.invite),
    web.get(PERSON, people.show),
    web.post(PERSON, people.change),
    web.get("/admin/queue", queue.show),
    web.post("/admin/queue", queue.cancel),
    web.get("/admin/alerts", alerts.show),
    web.post("/admin/alerts", alerts.change),
    web.get("/admin/audit", audit.show),
    web.get("/admin/audit/csv", audit.download),
    web.get("/admin/billing", billing.show),
    web.post("/admin/billing", billing.change),
    web.get("/admin/health", health.show),
    web.get("/admin/settings", settings.show),
    web.post("/admin/settings", settings.change),
    web.get("/admin/plans", plans.index),
    web.post("/admin/plans", plans.create),
    web.get(PLAN, plans.show),
    web.post(PLAN, plans.change),
    web.get("/admin/organizations", organizations.index),
    web.get(ORGANIZATION, organizations.show),
    web.post(f"{ORGANIZATION}/change", organizations.change),
    web.post(f"{ORGANIZATION}/delete", organizations.delete),
    web.get("/admin/nodes", nodes.show),
    web.post("/admin/nodes", nodes.add),
    web.post("/admin/nodes/change", nodes.change),
)
