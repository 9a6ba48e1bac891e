"""The addresses of all pages, from the table of URLs."""

import re

from web.routes import ROUTES

# Answers of GET that are no pages of their own: for programs, scripts, downloads, and redirects.
NO_PAGES = {
    "/internal/health", "/internal/traefik", "/nodes/agent/slugs", "/nodes/agent/slugs/{digest}", "/", "/organizations", "/nodes",
    "/changes", "/apps/new/check", "/apps/{app}/changes", "/apps/{app}/console/socket", "/apps/{app}/deploys/{deploy}/events",
    "/apps/{app}/deploys/{deploy}/log", "/static/{content}/{name}", "/billing", "/organizations/{organization}/usage.csv",
    "/admin/audit/csv", "/account/security/code.svg",
    *(f"/apps/{{app}}/{old}{part}" for old in ("builds/{build}", "releases/{version}") for part in ("", "/events", "/log")),
}  # fmt: skip
# Those of who is not signed in.
VISITORS = {"/login", "/login/code", "/login/forgotten", "/login/reset"}


def plain(path):
    """Return a path of the table with the names of its variables alone."""
    return re.sub(r"\{(\w+):(?:[^{}]|\{[^}]*\})*\}", r"{\1}", path)


PAGES = sorted({plain(route.path) for route in ROUTES if route.method == "GET"} - NO_PAGES)
