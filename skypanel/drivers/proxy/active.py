"""Asks Traefik's API which routes are active."""

import asyncio
from collections.abc import Sequence
from time import monotonic

from aiohttp import ClientError, ClientSession, ClientTimeout

from skypanel.domain.errors import Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Route
from skypanel.drivers.proxy import plugin
from skypanel.drivers.proxy.routes import Json, endpoints, name, rule

POLL_S = 0.05
ANSWER_S = 5.0


async def wait_until_active(api_url: str, token: str, routes: Sequence[Route], timeout_s: float) -> None:
    """Wait until the proxy uses these routes. A route without endpoints must be gone. Raises Unavailable."""
    deadline = monotonic() + timeout_s
    waiting = list(routes)
    async with ClientSession(headers={PROXY_TOKEN_HEADER: token}, timeout=ClientTimeout(ANSWER_S)) as session:
        while waiting := [route for route in waiting if not await _is_active(session, api_url, route)]:
            if monotonic() > deadline:
                raise Unavailable("The proxy did not apply the new route.", "Check that Traefik is running, then try again.")
            await asyncio.sleep(POLL_S)


async def _is_active(session: ClientSession, api_url: str, route: Route) -> bool:
    try:
        middleware = await _get(session, api_url, "middlewares", route.app_id)
        router = await _get(session, api_url, "routers", route.app_id)
    except (ClientError, TimeoutError):
        return False
    led = set(middleware.get("plugin", {}).get(plugin.NAME, {}).get("endpoints", []))
    return led == set(endpoints(route)) and router.get("rule", "") == (rule(route) if led else "")


async def _get(session: ClientSession, api_url: str, kind: str, app_id: AppId) -> Json:
    """Return the object that Traefik has, or {} if it has none. Raises ClientError."""
    async with session.get(f"{api_url}/api/http/{kind}/{name(app_id)}{plugin.SUFFIX}") as response:
        # Traefik's API answers an unknown name with a 404 in JSON. Any other 404 comes from elsewhere.
        if response.status == 404 and (await response.text()).startswith("{"):  # noqa: PLR2004 - Not Found (RFC 9110)
            return {}
        response.raise_for_status()
        body: Json = await response.json()
        return body
