"""An app's own pages for requests that it does not answer, at the URLs in its config vars."""

from skypanel.domain.app import App
from skypanel.domain.errors import SkyPanelError
from skypanel.domain.http_errors import OwnPage
from skypanel.flow.configured import receiver_networks
from skypanel.ports.panel import Panel
from skypanel.store import config_vars


async def url_of(panel: Panel, app: App, key: str) -> str:
    """Return the URL in a config var, or nothing."""
    async with panel.autocommit() as conn:
        secret = (await config_vars.head(conn, app.id)).secrets.get(key)
    return panel.cipher.decrypt(secret).strip() if secret else ""


async def fetch(panel: Panel, app: App, key: str, url: str) -> OwnPage | None:
    """Return the page at a URL, or None; the app's log then says why."""
    async with panel.autocommit() as conn:
        networks = await receiver_networks(conn)
    try:
        return await panel.error_pages.fetch(url, networks)
    except SkyPanelError as error:
        await panel.logs.write(app, f"{key} cannot be shown to visitors. {error}")
        return None
