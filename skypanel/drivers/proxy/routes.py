"""What the proxy is told: its configuration, and a table of routes. Pure functions.

`plugin/follow.go` brings the configuration to Traefik; its format is https://doc.traefik.io/traefik/reference/routing-configuration/.
`plugin/routes.go` looks up hosts in the table.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from skypanel.domain.certificate import KeyPair
from skypanel.domain.domains import WILDCARD, covers
from skypanel.domain.routing import Route
from skypanel.drivers.proxy import plugin

ENTRY_POINTS = ("web", "websecure")
ALL = "PathPrefix(`/`)"
PANEL, APPS, GIT = "panel", "apps", "git"
# Where the panel has the table, and where the proxy tells which route of an app it uses.
TABLE_PATH = "/internal/routes"
USED_PATH = "/routes/"
GIT_PATHS = r"^/[^/]+\.git/(info/refs|info/lfs/.+|git-receive-pack|git-upload-pack)$"

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\Z")
_ENDPOINT = re.compile(r"[A-Za-z0-9.-]+:[0-9]{1,5}\Z")

Json = dict[str, Any]


@dataclass(frozen=True)
class Servers:
    """Where the proxy leads: the panel and its git server, and `ingress`, the proxy of the apps if it is another one (all host:port).

    `token` authenticates the proxy at the panel. `https_port` is where visitors reach the proxy over HTTPS. `table` is the file with the
    last table of routes.
    """

    web: str
    git: str
    https_port: int
    token: str = field(repr=False)
    ingress: str = ""
    table: str = ""

    @property
    def panel(self) -> plugin.Panel:
        """The panel as the plugin reaches it."""
        return plugin.Panel(self.web, self.token)


def configuration(panel_host: str, git_hosts: Sequence[str], servers: Servers, certificates: Sequence[KeyPair] = ()) -> Json:
    """Return Traefik's dynamic configuration: git, the dashboard, one router for all apps and unknown hosts, and the certificates.

    It does not depend on apps and domains: for each change, Traefik makes all of it anew.
    """
    apps = plugin.middleware([servers.web], servers.panel, routes=TABLE_PATH, kept=servers.table, httpsPort=servers.https_port)
    return {
        "http": {
            "routers": {
                GIT: {**_router(_git_rule(git_hosts), GIT), "priority": 3},
                PANEL: {**_router(_host_rule(panel_host), PANEL), "priority": 2},
                APPS: {**_router(ALL, APPS), "priority": 1},
            },
            "middlewares": {
                GIT: plugin.middleware([servers.git], servers.panel),
                PANEL: plugin.middleware([servers.web], servers.panel),
                APPS: apps,
            },
        },
        **({"tls": {"certificates": [_pair(each) for each in certificates]}} if certificates else {}),
    }


def _pair(certificate: KeyPair) -> Json:
    """Return a certificate. The fields take PEM as well as names of files."""
    return {"certFile": certificate.chain, "keyFile": certificate.key}


def table(routes: Iterable[Route], servers: Servers, certified: Collection[str] = (), proving: Iterable[str] = ()) -> Json:
    """Return the table of routes, with the fields of `Table` in plugin/routes.go.

    `certified` are the names that have a certificate that browsers trust. A CA may check the names in `proving` now.
    Routes without endpoints, and malformed hosts or endpoints, are left out: one bad row must not break the others.
    """
    apps = {str(route.app_id): _app(route, servers, certified) for route in routes}
    return {"apps": {app_id: app for app_id, app in apps.items() if app["hosts"] and app["endpoints"]}, "proving": list(proving)}


def _app(route: Route, servers: Servers, certified: Collection[str]) -> Json:
    rules, led = route.rules, endpoints(route)
    return {
        "hosts": hosts(route),
        "endpoints": [servers.ingress] if led and servers.ingress else led,
        "firstByteMs": round(rules.first_byte_timeout_s * 1000),
        "idleMs": round(rules.idle_timeout_s * 1000),
        **({"redirected": safe} if (safe := redirected(route, certified)) else {}),
        **({"ingress": True} if servers.ingress else {}),
        **({"hsts": f"max-age={rules.hsts_max_age_s}"} if rules.hsts_max_age_s else {}),
    }


def redirected(route: Route, certified: Collection[str]) -> list[str]:
    """Return the hosts of a route whose requests over HTTP are redirected to HTTPS."""
    if route.rules.https_redirect is None:
        return [host for host in route.hosts if covers(certified, host)]
    return list(route.hosts) if route.rules.https_redirect else []


def hosts(route: Route) -> list[str]:
    """Return a route's hosts. Malformed ones are left out."""
    return [host for host in route.hosts if _HOST.match(host)]


def rule(route: Route) -> str:
    """Return Traefik's rule for a route's hosts but its wildcards."""
    return " || ".join(_host_rule(host) for host in hosts(route) if not host.startswith(WILDCARD))


def wildcard_rule(route: Route) -> str:
    """Return Traefik's rule for a route's wildcards, empty if it has none. Each stands for one label."""
    bases = (host.removeprefix(WILDCARD).replace(".", r"\.") for host in hosts(route) if host.startswith(WILDCARD))
    return " || ".join(f"HostRegexp(`^[^.]+\\.{base}$`)" for base in bases)


def _host_rule(host: str) -> str:
    return f"Host(`{host}`)"


def _git_rule(hosts: Sequence[str]) -> str:
    return f"({' || '.join(map(_host_rule, hosts))}) && PathRegexp(`{GIT_PATHS}`)"


def endpoints(route: Route) -> list[str]:
    """Return a route's endpoints. Malformed ones are left out."""
    return [endpoint for endpoint in route.endpoints if _ENDPOINT.match(endpoint)]


def _router(matching: str, middleware: str) -> Json:
    return {"entryPoints": list(ENTRY_POINTS), "rule": matching, "middlewares": [middleware], "service": plugin.NO_SERVICE}
