"""Routes on a Swarm: labels of web services for Traefik's Swarm provider. Traefik's API shows which routes are active.

A change of a service's labels does not restart its tasks. The format is
https://doc.traefik.io/traefik/reference/routing-configuration/other-providers/swarm/.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.manifest import WEB
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Route
from skypanel.drivers.docker.api import DockerApi, Json
from skypanel.drivers.proxy import plugin
from skypanel.drivers.proxy.active import ANSWER_S, POLL_S
from skypanel.drivers.proxy.routes import ENTRY_POINTS, rule, wildcard_rule
from skypanel.drivers.swarm.services import Service, Services
from skypanel.drivers.swarm.spec import GENERATION, PORT, PROCESS_TYPE, VERSION, network_name, organization_of
from skypanel.drivers.swarm.tasks import endpoint
from skypanel.ports.router import Router

PREFIX = "traefik."
FLUSH_INTERVAL = "1ms"
# What lets every exact name go before all wildcards: more than any version and generation.
EXACT = 1_000_000
# More services than an app ever has at a time.
_ALL = 1000


class SwarmRouter:
    """Routes to the services whose tasks the endpoints are. `api_urls` are the Traefik APIs of the ingresses."""

    def __init__(self, docker: DockerApi, panel: str, api_urls: Sequence[str], token: str) -> None:
        self._services = Services(docker, panel)
        self._api_urls = tuple(api_urls)
        self._token = token

    async def confirm(self, routes: Sequence[Route], timeout_s: float = 10.0) -> None:
        """Wait until every ingress uses these routes. Raises Unavailable.

        New services are added before old ones are removed, so requests always find a dyno.
        """
        deadline = monotonic() + timeout_s
        changes = [await self._change(route) for route in routes]
        headers = {PROXY_TOKEN_HEADER: self._token}
        async with ClientSession(headers=headers, timeout=ClientTimeout(ANSWER_S)) as session:
            for change in changes:
                await self._label(change.on, change.route)
            await self._until(deadline, changes, lambda url, change: _routes_to_all(session, url, change))
            for change in changes:
                await self._label(change.off, None)
            await self._until(deadline, changes, lambda url, change: _routes_only_to(session, url, change))

    async def _change(self, route: Route) -> "_Change":
        """Return the services that a route adds and removes. Raises Unavailable if no service has its endpoints."""
        web = [service for service in await self._services.of(route.app_id) if service.labels[PROCESS_TYPE] == WEB]
        named = {task.service_id for task in await self._services.tasks(route.app_id) if endpoint(task) in route.endpoints}
        on = tuple(service for service in web if service.id in named)
        if route.endpoints and not on:
            raise Unavailable("The dynos of the new route are gone.", "Try again; the app's log says why they ended.")
        return _Change(route, on, tuple(service for service in web if service.id not in named))

    async def _label(self, services: Sequence[Service], route: Route | None) -> None:
        for service in services:
            try:
                await self._services.update(service.id, lambda spec, service=service: labelled(spec, service, route))  # type: ignore[misc]
            except NotFound:
                if route is not None:
                    raise Unavailable("The dynos of the new route are gone.", "Try again.") from None

    async def _until(self, deadline: float, changes: Sequence["_Change"], holds: Callable[[str, "_Change"], Any]) -> None:
        waiting = [(url, change) for url in self._api_urls for change in changes]
        while waiting := [each for each in waiting if not await holds(*each)]:
            if monotonic() > deadline:
                raise Unavailable("The proxy did not apply the new route.", "Check that Traefik is running, then try again.")
            await asyncio.sleep(POLL_S)


class ThroughProxy:
    """A router behind a proxy. The proxy forwards requests for all routed hosts to one endpoint."""

    def __init__(self, inner: Router, proxy: Router, endpoint: str) -> None:
        self._inner = inner
        self._proxy = proxy
        self._endpoint = endpoint

    async def confirm(self, routes: Sequence[Route], timeout_s: float = 10.0) -> None:
        """Wait until the routes are active in both: first behind the proxy, then in it. Raises Unavailable."""
        await self._inner.confirm(routes, timeout_s)
        await self._proxy.confirm([through(route, self._endpoint) for route in routes], timeout_s)


def through(route: Route, via: str) -> Route:
    """Return the proxy's version of a route, which leads to `via`. A route without endpoints keeps none."""
    return replace(route, endpoints=(via,) if route.endpoints else ())


@dataclass(frozen=True)
class _Change:
    """A route, the services it leads to, and the other web services of its app."""

    route: Route
    on: tuple[Service, ...]
    off: tuple[Service, ...]

    def rules(self) -> dict[str, str]:
        """Return the rules of the wanted routers by name."""
        return {f"{name}@swarm": rule for service in self.on for name, rule, _ in _routers_of(service, self.route)}


def labelled(spec: Json, service: Service, route: Route | None) -> Json:
    """Return a service's spec with the labels for a route, or without any if it is None."""
    kept = {name: value for name, value in spec["Labels"].items() if not name.startswith(PREFIX)}
    return {**spec, "Labels": {**kept, **(_route_labels(service, route) if route else {})}}


def _route_labels(service: Service, route: Route) -> dict[str, str]:
    name = service.name
    labels = {
        "enable": "true",
        "swarm.network": network_name(organization_of(service.labels)),
        f"http.services.{name}.loadbalancer.server.port": str(PORT),
        f"http.services.{name}.loadbalancer.responseforwarding.flushinterval": FLUSH_INTERVAL,
    }
    for router, matching, priority in _routers_of(service, route):
        labels |= {
            f"http.routers.{router}.rule": matching,
            f"http.routers.{router}.priority": str(priority),
            f"http.routers.{router}.entrypoints": ",".join(ENTRY_POINTS),
            f"http.routers.{router}.middlewares": f"{plugin.NAME}@file",
            f"http.routers.{router}.service": name,
        }
    return {f"{PREFIX}{key}": value for key, value in labels.items()}


def _routers_of(service: Service, route: Route) -> Iterator[tuple[str, str, int]]:
    """Yield the name, the rule and the priority of each router of a service.

    While two releases have the same hosts, the newer one gets the requests.
    """
    newness = int(service.labels[VERSION]) + int(service.labels[GENERATION])
    if exact := rule(route):
        yield service.name, exact, EXACT + newness
    if wildcards := wildcard_rule(route):
        yield f"{service.name}-wildcards", wildcards, newness


async def _routes_to_all(session: ClientSession, url: str, change: _Change) -> bool:
    """Whether a Traefik routes the hosts to all endpoints of the route."""
    try:
        routers = await _routers(session, url, change.route.app_id)
        servers = {server for service in change.on for server in await _servers(session, url, f"{service.name}@swarm")}
    except (ClientError, TimeoutError):
        return False
    return change.rules().items() <= routers.items() and {f"http://{each}" for each in change.route.endpoints} <= servers


async def _routes_only_to(session: ClientSession, url: str, change: _Change) -> bool:
    """Whether a Traefik routes the hosts to nothing else."""
    try:
        return await _routers(session, url, change.route.app_id) == change.rules()
    except (ClientError, TimeoutError):
        return False


async def _routers(session: ClientSession, url: str, app_id: AppId) -> dict[str, str]:
    """Return the rules of an app's routers by name. Raises ClientError."""
    name = f"app-{app_id.hex}"
    found = await _get(session, f"{url}/api/http/routers?search={name}&per_page={_ALL}")
    # Traefik derives routers for entry points with TLS; their names begin with the entry point.
    return {router["name"]: router["rule"] for router in found if router["status"] == "enabled" and router["name"].startswith(name)}


async def _servers(session: ClientSession, url: str, name: str) -> set[str]:
    """Return the servers of a service. Raises ClientError, also if there is no such service yet."""
    found = await _get(session, f"{url}/api/http/services/{name}")
    return {server["url"] for server in found.get("loadBalancer", {}).get("servers", [])}


async def _get(session: ClientSession, url: str) -> Any:  # noqa: ANN401 - JSON
    async with session.get(url) as response:
        response.raise_for_status()
        return await response.json()
