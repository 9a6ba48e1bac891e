"""Asks the proxy which routes it uses."""

import asyncio
from collections.abc import Sequence
from time import monotonic

from aiohttp import ClientError, ClientSession, ClientTimeout

from skypanel.domain.errors import Unavailable
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Route
from skypanel.drivers.proxy.routes import USED_PATH, endpoints, hosts

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
        async with session.get(f"{api_url}{USED_PATH}{route.app_id}") as response:
            response.raise_for_status()
            used = await response.json()
    except (ClientError, TimeoutError):
        return False
    led = set(endpoints(route))
    return set(used["endpoints"] or ()) == led and set(used["hosts"] or ()) == (set(hosts(route)) if led else set())
