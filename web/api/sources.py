"""Upload URLs for archives. Each works once and expires after an hour."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit
from uuid import UUID

from aiohttp import web

from skypanel.domain.app import App
from skypanel.domain.errors import Invalid
from skypanel.domain.ids import UploadId
from skypanel.domain.routing import Address
from skypanel.domain.transcript import size
from skypanel.domain.upload import MAX_UPLOAD_BYTES
from skypanel.flow import upload as upload_flow
from web.api.calls import Call, Reply
from web.api.resources import releases
from web.keys import PANEL, origin

PATH = "/sources/"
PAUSE_S = 60.0
UPLOAD_HERE = "Upload it with POST /sources, and use the get_url of the answer."


async def create(call: Call) -> Reply:
    """Create a URL to upload a source archive to, and a URL that refers to it in a build."""
    return await _offered(call)


async def create_for_app(call: Call) -> Reply:
    """Create upload URLs, as POST /sources does."""
    return await _offered(call, await call.app())


async def _offered(call: Call, app: App | None = None) -> Reply:
    upload, secret = await upload_flow.offer(call.panel, call.account, app)
    base = f"{origin(call.request)}{PATH}"
    blob = releases.Blob(get_url=f"{base}{upload.id}", put_url=f"{base}{secret}")
    return Reply(releases.Source(source_blob=blob), 201, {"Cache-Control": "no-store"})


async def put(request: web.Request, params: Mapping[str, str]) -> Reply:
    """Upload a .tgz archive. The URL works once and needs no token."""
    if (request.content_length or 0) > MAX_UPLOAD_BYTES:
        raise Invalid(f"The limit for an upload is {size(MAX_UPLOAD_BYTES)}.", "Leave out what the app does not need.")
    taken = await upload_flow.take(request.app[PANEL], params["upload"], _chunks(request))
    return Reply(releases.Received(checksum=f"SHA256:{taken.checksum}"))


def upload_id(url: str, address: Address) -> UploadId:
    """Return the id of the upload that a get_url names. Raises Invalid for any other URL: the panel fetches none."""
    foreign = Invalid("A build from a URL needs an archive that was uploaded to this panel.", UPLOAD_HERE)
    try:
        split = urlsplit(url)
        named = UploadId(UUID(split.path.removeprefix(PATH)))
    except ValueError:
        raise foreign from None
    if split.hostname not in address.api_hosts:
        raise foreign
    return named


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    try:
        while True:
            async with asyncio.timeout(PAUSE_S):
                chunk = await request.content.readany()
            if not chunk:
                return
            yield chunk
    except TimeoutError:
        raise Invalid(f"The upload timed out: it sent nothing for {PAUSE_S:.0f} seconds.", "Try again.") from None
    except (ConnectionError, web.RequestPayloadError) as error:
        raise Invalid("The upload was interrupted.", "Try again.") from error
