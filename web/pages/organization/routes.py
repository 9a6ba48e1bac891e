"""Every URL of an organization's pages."""

from aiohttp import web

from web.pages.organization import activity, alerts, overview, people, settings, usage, wallet

ORGANIZATION = "/organizations/{organization:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}}"

ROUTES = (
    web.get("/organizations/new", overview.new),
    web.post("/organizations/new", overview.create),
    web.get(ORGANIZATION, overview.show),
    web.get(f"{ORGANIZATION}/people", people.show),
    web.post(f"{ORGANIZATION}/people", people.change),
    web.get(f"{ORGANIZATION}/usage", usage.show),
    web.get(f"{ORGANIZATION}/usage.csv", usage.download),
    web.get(f"{ORGANIZATION}/billing", wallet.show),
    web.get(f"{ORGANIZATION}/alerts", alerts.show),
    web.post(f"{ORGANIZATION}/alerts", alerts.change),
    web.get(f"{ORGANIZATION}/activity", activity.show),
    web.get(f"{ORGANIZATION}/settings", settings.show),
    web.post(f"{ORGANIZATION}/rename", settings.rename),
    web.post(f"{ORGANIZATION}/delete", settings.delete),
    web.get("/billing", wallet.redirect),
)
