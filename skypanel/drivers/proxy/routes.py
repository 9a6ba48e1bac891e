"""The configuration that Traefik's HTTP provider polls: pure functions.

The format is https://doc.traefik.io/traefik/reference/routing-configuration/.
"""

import re
from collections.abc import Sequence
from typing import Any

from skypanel.domain.ids import AppId
from skypanel.domain.routing import Route
from skypanel.drivers.proxy import plugin

ENTRY_POINTS = ("web", "websecure")
ALL = "PathPrefix(`/`)"
PANEL = "panel"
GIT_PATHS = r"^/[^/]+\.git/(info/refs|info/lfs/.+|git-receive-pack|git-upload-pack)$"

_ABOVE_ALL = 1_000_000
_BELOW_ALL = 5
# Remembered routes have a lower priority than all polled ones; their own fallback has the lowest.
_REMEMBERED = {"git": 4, "dashboard": 3, "fallback": 1}
_REMEMBERED_APP = 2
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
_ENDPOINT = re.compile(r"[A-Za-z0-9.-]+:[0-9]{1,5}\Z")

Json = dict[str, Any]


def dynamic_config(routes: Sequence[Route], *, panel_host: str, web: str, git_hosts: Sequence[str], git: str, ingress: str = "") -> Json:
    """Return Traefik's dynamic configuration: routes of each app, git and the dashboard, and a fallback page for other hosts.

    `web` and `git` are the panel's own servers (host:port). `ingress` is the proxy that leads to the apps, if it is another one.
    Routes without endpoints, and malformed hosts or endpoints, are left out: one bad row must not break the others.
    """
    live = [route for route in routes if rule(route) and endpoints(route)]
    return {
        "http": {
            "routers": {
                **{name(route.app_id): _router(rule(route), name(route.app_id)) for route in live},
                "git": {**_router(_git_rule(git_hosts), "git"), "priority": _ABOVE_ALL + 1},
                "dashboard": {**_router(_host_rule(panel_host), PANEL), "priority": _ABOVE_ALL},
                "fallback": {**_router(ALL, PANEL), "priority": _BELOW_ALL},
            },
            "middlewares": {
                **{name(route.app_id): _to_app(route, web, ingress) for route in live},
                "git": plugin.middleware([git], web, cleans=True),
                PANEL: plugin.middleware([web], web, cleans=True),
            },
        }
    }


def _to_app(route: Route, web: str, ingress: str) -> Json:
    return plugin.middleware([ingress], web, ingress=True) if ingress else plugin.middleware(endpoints(route), web)


def remembered(config: Json) -> Json:
    """Return a configuration for the proxy's start. Any newer configuration takes priority over it."""
    http = config["http"]
    routers = {name: {**router, "priority": _REMEMBERED.get(name, _REMEMBERED_APP)} for name, router in http["routers"].items()}
    return {"http": {**http, "routers": routers}}


def name(app_id: AppId) -> str:
    """Return the name of an app's router and middleware."""
    return f"app-{app_id}"


def rule(route: Route) -> str:
    """Return Traefik's rule for a route's hosts. Malformed hosts are left out."""
    return " || ".join(_host_rule(host) for host in route.hosts if _HOST.match(host))


def _host_rule(host: str) -> str:
    return f"Host(`{host}`)"


def _git_rule(hosts: Sequence[str]) -> str:
    return f"({' || '.join(map(_host_rule, hosts))}) && PathRegexp(`{GIT_PATHS}`)"


def endpoints(route: Route) -> list[str]:
    """Return a route's endpoints. Malformed ones are left out."""
    return [endpoint for endpoint in route.endpoints if _ENDPOINT.match(endpoint)]


def _router(matching: str, middleware: str) -> Json:
    return {"entryPoints": list(ENTRY_POINTS), "rule": matching, "middlewares": [middleware], "service": plugin.NO_SERVICE}
