"""Routes in Traefik: its HTTP provider polls `dynamic_config`, and its API tells what is in force.

The format is https://doc.traefik.io/traefik/reference/routing-configuration/.
"""

import asyncio
import re
from collections.abc import Sequence
from time import monotonic
from typing import Any
from uuid import UUID

from aiohttp import ClientError, ClientSession, ClientTimeout

from skypanel.domain.errors import Unavailable
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Route
from skypanel.drivers import door

POLL_S = 0.05
ANSWER_S = 5.0
ENTRY_POINTS = ("web", "websecure")
ALL = "PathPrefix(`/`)"
PANEL = "panel"
GIT_PATHS = r"^/[^/]+\.git/(info/refs|info/lfs/.+|git-receive-pack|git-upload-pack)$"

_ABOVE_ALL = 1_000_000
_BELOW_ALL = 5
# What was remembered comes after all that is told, its own fallback after it.
_REMEMBERED = {"git": 4, "dashboard": 3, "fallback": 1}
_REMEMBERED_APP = 2
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
_ENDPOINT = re.compile(r"[A-Za-z0-9.-]+:[0-9]{1,5}\Z")

Json = dict[str, Any]


def dynamic_config(routes: Sequence[Route], *, panel_host: str, web: str, git_hosts: Sequence[str], git: str, ingress: str = "") -> Json:
    """Return what Traefik routes: each app, git, the dashboard, and a page of ours for whatever else is asked for.

    `web` and `git` are where the panel's own parts are (host:port), and `ingress` who leads to the apps, if it is not the
    proxy itself. A route without endpoints is left out, and so is any host or endpoint that is not well-formed: one bad row
    must not stop the others.
    """
    live = [route for route in routes if rule(route) and _endpoints(route)]
    return {
        "http": {
            "routers": {
                **{_name(route.app_id): _router(rule(route), _name(route.app_id)) for route in live},
                "git": {**_router(_git_rule(git_hosts), "git"), "priority": _ABOVE_ALL + 1},
                "dashboard": {**_router(_host_rule(panel_host), PANEL), "priority": _ABOVE_ALL},
                "fallback": {**_router(ALL, PANEL), "priority": _BELOW_ALL},
            },
            "middlewares": {
                **{_name(route.app_id): _to_app(route, web, ingress) for route in live},
                "git": door.middleware([git], web, cleans=True),
                PANEL: door.middleware([web], web, cleans=True),
            },
        }
    }


def _to_app(route: Route, web: str, ingress: str) -> Json:
    return door.middleware([ingress], web, ingress=True) if ingress else door.middleware(_endpoints(route), web)


def remembered(config: Json) -> Json:
    """Return what was routed as the proxy may start with it: once it is told anything newer, that alone counts."""
    http = config["http"]
    routers = {name: {**router, "priority": _REMEMBERED.get(name, _REMEMBERED_APP)} for name, router in http["routers"].items()}
    return {"http": {**http, "routers": routers}}


class TraefikRouter:
    """Confirms routes by Traefik's API at `api_url`, which answers to those who know the token."""

    def __init__(self, api_url: str, token: str) -> None:
        self._api_url = api_url
        self._token = token

    async def confirm(self, routes: Sequence[Route], timeout_s: float = 10.0) -> None:
        """Return once the proxy has these routes in force; one without endpoints is in force when it is gone."""
        deadline = monotonic() + timeout_s
        waiting = list(routes)
        async with ClientSession(headers={PROXY_TOKEN_HEADER: self._token}, timeout=ClientTimeout(ANSWER_S)) as session:
            while waiting := [route for route in waiting if not await self._in_force(session, route)]:
                if monotonic() > deadline:
                    raise Unavailable("The proxy does not take up the new route.", "See that Traefik runs, then try again.")
                await asyncio.sleep(POLL_S)

    async def _in_force(self, session: ClientSession, route: Route) -> bool:
        try:
            middleware = await self._get(session, "middlewares", route.app_id)
            router = await self._get(session, "routers", route.app_id)
        except (ClientError, TimeoutError):
            return False
        endpoints = set(middleware.get("plugin", {}).get(door.NAME, {}).get("endpoints", []))
        return endpoints == set(_endpoints(route)) and router.get("rule", "") == (rule(route) if endpoints else "")

    async def _get(self, session: ClientSession, kind: str, app_id: UUID) -> Json:
        """Return what Traefik has; nothing if it has none. Raises ClientError."""
        async with session.get(f"{self._api_url}/api/http/{kind}/{_name(app_id)}@http") as response:
            # Its API answers 404 with JSON for a name that it has not; another 404 comes from elsewhere.
            if response.status == 404 and (await response.text()).startswith("{"):  # noqa: PLR2004 - Not Found (RFC 9110)
                return {}
            response.raise_for_status()
            body: Json = await response.json()
            return body


def _name(app_id: UUID) -> str:
    return f"app-{app_id}"


def rule(route: Route) -> str:
    """Return Traefik's rule for a route's hosts, but for those that are not well-formed."""
    return " || ".join(_host_rule(host) for host in route.hosts if _HOST.match(host))


def _host_rule(host: str) -> str:
    return f"Host(`{host}`)"


def _git_rule(hosts: Sequence[str]) -> str:
    return f"({' || '.join(map(_host_rule, hosts))}) && PathRegexp(`{GIT_PATHS}`)"


def _endpoints(route: Route) -> list[str]:
    return [endpoint for endpoint in route.endpoints if _ENDPOINT.match(endpoint)]


def _router(matching: str, middleware: str) -> Json:
    return {"entryPoints": list(ENTRY_POINTS), "rule": matching, "middlewares": [middleware], "service": door.NO_SERVICE}
