"""The port Router over the proxy's own answers, whose client is imported at first use: most commands change no route."""

from collections.abc import Sequence

from skypanel.domain.routing import Route


class TraefikRouter:
    """Confirms routes by what the proxy tells at `api_url`, which requires the token."""

    def __init__(self, api_url: str, token: str) -> None:
        self._api_url = api_url
        self._token = token

    async def confirm(self, routes: Sequence[Route], timeout_s: float = 10.0) -> None:
        """Wait until the proxy uses these routes. A route without endpoints must be gone. Raises Unavailable."""
        from skypanel.drivers.proxy.active import wait_until_active

        await wait_until_active(self._api_url, self._token, routes, timeout_s)
