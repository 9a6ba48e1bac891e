"""SSH keys of the account, by which it pushes."""

from aiohttp import web

from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.flow import accounts
from web import forms, paging, session
from web.keys import PANEL
from web.messages import done
from web.rendering import page_for
from web.session import Visitor

PATH = "/account/keys"
MAX_KEY_BYTES = 16 * 1024
DEFAULT_NAME = "SSH key"


async def index(request: web.Request) -> web.Response:
    """List the keys, and show the form that adds one."""
    return await _page(request, await session.visitor(request))


async def add(request: web.Request) -> web.Response:
    """Add a key, then return to the list, or to the welcome page."""
    panel, visitor = request.app[PANEL], await session.visitor(request)
    fields = await forms.read(request)
    try:
        key = panel.parse_public_key(_text(fields), DEFAULT_NAME)
        added = await accounts.add_key(panel, visitor.account, key, by=visitor.account)
    except SkyPanelError as error:
        return await _page(request, visitor, 422, error=error, text=fields.get("public_key", ""))
    return done(request, "/welcome" if fields.get("next") == "/welcome" else PATH, f"The key {added.name} is added.")


async def remove(request: web.Request) -> web.Response:
    """Remove a key."""
    visitor, fields = await session.visitor(request), await forms.read(request)
    removed = await accounts.remove_key(request.app[PANEL], visitor.account, fields.get("fingerprint", ""), by=visitor.account)
    return done(request, PATH, "The key is removed: it can no longer push." if removed else "That key was removed before.")


def _text(fields: forms.Fields) -> str:
    text = fields.get("public_key", "").strip()
    if not text or len(text) > MAX_KEY_BYTES:
        raise Invalid("This is no SSH public key.", "Paste the line of a file such as ~/.ssh/id_ed25519.pub.")
    return text


async def _page(
    request: web.Request, visitor: Visitor, status: int = 200, *, error: SkyPanelError | None = None, text: str = ""
) -> web.Response:
    part = paging.numbered_part(request, await accounts.keys_of(request.app[PANEL], visitor.account))
    pages = paging.numbered(request, part)
    return page_for(request, visitor, "account/keys", status, place="account", part=part, pages=pages, error=error, text=text)
