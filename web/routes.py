"""Every URL of the panel, in one table."""

from aiohttp import web

from skypanel.domain.certificate import CHALLENGE_PATH
from web import agents, assets, changes, console, http_errors, internal, prometheus
from web.admin import routes as admin
from web.pages import (
    app,
    app_access,
    app_activity,
    app_console,
    app_domains,
    app_log_drains,
    app_logs,
    app_metrics,
    app_settings,
    app_webhooks,
    apps,
    deploy,
    deploys,
    environment,
    plans,
    remote,
    switcher,
    transfers,
)
from web.pages.account import routes as account
from web.pages.organization import routes as organization

APP = "/apps/{app:[a-z0-9-]{1,30}}"
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
DEPLOY = f"{APP}/deploys/{{deploy:{_ID}}}"
# Where builds and releases were before deploys had pages.
BUILD = f"{APP}/builds/{{build:{_ID}}}"
RELEASE = APP + "/releases/{version:[1-9][0-9]{0,8}}"

STOP = "/nodes/agent/stops/{container:[0-9a-f]{64}}"
SLUG = "/nodes/agent/slugs/{digest:[0-9a-f]{64}}"


ROUTES = (
    web.get("/metrics", prometheus.show),
    web.get("/internal/health", internal.health),
    web.get("/internal/traefik", internal.configuration),
    web.get("/internal/routes", internal.table),
    web.get(CHALLENGE_PATH + "{token:[A-Za-z0-9_-]{1,200}}", internal.challenge),
    web.post("/internal/http-errors", http_errors.report),
    web.post("/nodes/agent/heartbeat", agents.receive_heartbeat),
    web.get("/nodes/agent/slugs", agents.slugs),
    web.get(SLUG, agents.slug),
    web.post("/nodes/agent/logs", agents.logs),
    web.delete(STOP, agents.stopped),
    web.get("/", switcher.leads_to("/apps")),
    web.get("/apps", apps.index),
    web.get("/organizations", switcher.leads_to("/admin/organizations")),
    web.get("/nodes", switcher.leads_to("/admin/nodes")),
    web.get("/changes", changes.of_apps, allow_head=False),
    web.get("/apps/new", apps.new),
    web.post("/apps/new", apps.create),
    web.get("/apps/new/check", apps.check_name),
    web.post("/switch", switcher.switch),
    web.get("/plans", plans.show),
    *organization.ROUTES,
    web.post("/transfers", transfers.answer),
    *account.ROUTES,
    web.get(APP, app.show),
    web.get(f"{APP}/changes", changes.of_app, allow_head=False),
    web.get(f"{APP}/settings", app_settings.show),
    web.post(f"{APP}/settings", app_settings.change),
    web.get(f"{APP}/logs", app_logs.show),
    web.get(f"{APP}/logs/histogram", app_logs.histogram),
    web.get(f"{APP}/logs/download", app_logs.download, allow_head=False),
    web.get(f"{APP}/logs/events", app_logs.events, allow_head=False),
    web.get(f"{APP}/log-drains", app_log_drains.show),
    web.post(f"{APP}/log-drains", app_log_drains.change),
    web.get(f"{APP}/webhooks", app_webhooks.show),
    web.post(f"{APP}/webhooks", app_webhooks.change),
    web.post(f"{APP}/restart", app.restart),
    web.post(f"{APP}/maintenance", app.maintain),
    web.post(f"{APP}/rollback", app.roll_back),
    web.get(f"{APP}/remote", remote.show),
    web.post(f"{APP}/remote", remote.change),
    web.post(f"{APP}/scale", app.scale),
    web.get(f"{APP}/access", app_access.show),
    web.post(f"{APP}/access", app_access.change),
    web.get(f"{APP}/activity", app_activity.show),
    web.get(f"{APP}/metrics", app_metrics.show),
    web.get(f"{APP}/console", app_console.show),
    web.get(f"{APP}/console/socket", console.connect, allow_head=False),
    web.get(f"{APP}/environment", environment.show),
    web.post(f"{APP}/environment", environment.change),
    web.get(f"{APP}/domains", app_domains.show),
    web.post(f"{APP}/domains", app_domains.change),
    web.get(f"{APP}/deploys", deploys.index),
    web.get(DEPLOY, deploys.show),
    web.post(DEPLOY, deploys.change),
    web.get(f"{DEPLOY}/events", deploys.events, allow_head=False),
    web.get(f"{DEPLOY}/log", deploys.text),
    *(web.get(f"{old}{part}", deploy.moved, allow_head=False) for old in (BUILD, RELEASE) for part in ("", "/events", "/log")),
    *admin.ROUTES,
    web.get("/static/{content:[0-9a-f]{16}}/{name:[a-z-]{1,20}[.](?:css|js|svg)}", assets.serve),
)
