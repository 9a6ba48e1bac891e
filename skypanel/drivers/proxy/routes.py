"""The configuration of the proxy, which `plugin/follow.go` brings to it: pure functions.

The format is https://doc.traefik.io/traefik/reference/routing-configuration/.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from skypanel.domain.certificate import CHALLENGE_PATH, KeyPair
from skypanel.domain.domains import covers
from skypanel.domain.ids import AppId
from skypanel.domain.routing import Route
from skypanel.drivers.proxy import plugin

ENTRY_POINTS = ("web", "websecure")
ALL = "PathPrefix(`/`)"
PANEL = "panel"
CHALLENGES = "challenges"
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


@dataclass(frozen=True)
class Servers:
    """Where the proxy leads: the panel and its git server, and `ingress`, the proxy of the apps if it is another one (all host:port).

    `token` authenticates the proxy at the panel. `https_port` is where visitors reach the proxy over HTTPS.
    """

    web: str
    git: str
    https_port: int
    token: str = field(repr=False)
    ingress: str = ""

    @property
    def panel(self) -> plugin.Panel:
        """The panel as the plugin reaches it."""
        return plugin.Panel(self.web, self.token)


def dynamic_config(
    routes: Sequence[Route],
    *,
    panel_host: str,
    git_hosts: Sequence[str],
    servers: Servers,
    certified: Collection[str] = (),
    certificates: Sequence[KeyPair] = (),
    proving: Collection[str] = (),
) -> Json:
    """Return Traefik's dynamic configuration: routes of each app, git and the dashboard, and a fallback page for other hosts.

    `certified` are the names that have a certificate that browsers trust. A CA may check the names in `proving` now.
    Routes without endpoints, and malformed hosts or endpoints, are left out: one bad row must not break the others.
    """
    live = [route for route in routes if rule(route) and endpoints(route)]
    proved = [host for host in proving if _HOST.match(host)]
    return {
        "http": {
            "routers": {
                **{name(route.app_id): _router(rule(route), name(route.app_id)) for route in live},
                "git": {**_router(_git_rule(git_hosts), "git"), "priority": _ABOVE_ALL + 1},
                "dashboard": {**_router(_host_rule(panel_host), PANEL), "priority": _ABOVE_ALL},
                "fallback": {**_router(ALL, PANEL), "priority": _BELOW_ALL},
                **({CHALLENGES: _challenges(proved)} if proved else {}),
            },
            "middlewares": {
                **{name(route.app_id): _to_app(route, servers, certified) for route in live},
                "git": plugin.middleware([servers.git], servers.panel, cleans=True),
                PANEL: plugin.middleware([servers.web], servers.panel, cleans=True),
            },
        },
        **({"tls": {"certificates": [_pair(each) for each in certificates]}} if certificates else {}),
    }


def _pair(certificate: KeyPair) -> Json:
    """Return a certificate. The fields take PEM as well as names of files."""
    return {"certFile": certificate.chain, "keyFile": certificate.key}


def _challenges(hosts: Sequence[str]) -> Json:
    """Return the router of a CA's requests, which come over HTTP to port 80 (RFC 8555, 8.3)."""
    matching = f"PathPrefix(`{CHALLENGE_PATH}`) && ({' || '.join(map(_host_rule, hosts))})"
    return {**_router(matching, PANEL), "entryPoints": ["web"], "priority": _ABOVE_ALL + 2}


def _to_app(route: Route, servers: Servers, certified: Collection[str]) -> Json:
    rules = route.rules
    return plugin.middleware(
        [servers.ingress] if servers.ingress else endpoints(route),
        servers.panel,
        ingress=bool(servers.ingress),
        firstByteMs=round(rules.first_byte_timeout_s * 1000),
        idleMs=round(rules.idle_timeout_s * 1000),
        redirected=redirected(route, certified),
        httpsPort=servers.https_port,
        hsts=f"max-age={rules.hsts_max_age_s}" if rules.hsts_max_age_s else "",
    )


def redirected(route: Route, certified: Collection[str]) -> list[str]:
    """Return the hosts of a route whose requests over HTTP are redirected to HTTPS."""
    if route.rules.https_redirect is None:
        return [host for host in route.hosts if covers(certified, host)]
    return list(route.hosts) if route.rules.https_redirect else []


def remembered(config: Json) -> Json:
    """Return a configuration for the proxy's start. Any newer configuration takes priority over it."""
    http = config["http"]
    routers = {name: {**router, "priority": _REMEMBERED.get(name, _REMEMBERED_APP)} for name, router in http["routers"].items()}
    routers.pop(CHALLENGES, None)
    return {**config, "http": {**http, "routers": routers}}


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
