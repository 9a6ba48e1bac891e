"""Builds: of an archive that was uploaded, and those of pushes."""

from uuid import UUID

from skypanel.domain.app import App
from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.ids import BuildId
from skypanel.flow import history
from skypanel.flow import upload as upload_flow
from skypanel.flow.history import BuildEntry
from web.api import serializers, sources, tickets
from web.api.calls import Call, Reply
from web.api.ranges import Page
from web.api.schema import Json, array, record, string

_BUILDPACK = record(url=string(2048, nullable=True), name=string(nullable=True))
CREATE = record(
    "source_blob",
    source_blob=record(
        "url",
        url=string(2048),
        version=string(nullable=True),
        version_description=string(nullable=True),
        checksum=string(nullable=True),
    ),
    buildpacks=array(_BUILDPACK),
)


async def index(call: Call) -> Page:
    """List an app's builds by age."""
    app, asked = await call.app(), call.range
    after = _id(asked.first) if asked.after_first else None
    found = await history.builds(call.panel, app, asked.max + 1, after, is_descending=asked.is_descending)
    page = found[: asked.max]
    return Page([_shown(call, app, each) for each in page], asked.next("id", page[-1].build.id) if len(found) > len(page) else None)


async def show(call: Call) -> Reply:
    """Show a build."""
    app = await call.app()
    return Reply(_shown(call, app, await history.build(call.panel, app, BuildId(call.id("build", "build")))))


async def create(call: Call) -> Reply:
    """Build an archive that was uploaded, and release what comes of it."""
    app, blob = await call.app(), call.body["source_blob"]
    if call.body.get("buildpacks"):
        raise Invalid("A build takes the buildpacks of its app.", "Set BUILDPACK_URL, or have a file .buildpacks in the archive.")
    upload_id = sources.upload_id(blob["url"], call.panel.address)
    made = await upload_flow.build(call.panel, app, call.account, upload_id, version=blob.get("version"), checksum=blob.get("checksum"))
    return Reply(_shown(call, app, await history.build(call.panel, app, made.id)), 201)


async def cancel(call: Call) -> Reply:
    """Stop a build that has not ended; what served before serves on."""
    app = await call.app()
    found = (await history.build(call.panel, app, BuildId(call.id("build", "build")))).build
    if not await upload_flow.cancel(call.panel, app, found.id, call.account):
        raise Conflict("This build has ended.", "Roll back if it is live and should not be.")
    return Reply(_shown(call, app, await history.build(call.panel, app, found.id)))


def _shown(call: Call, app: App, entry: BuildEntry) -> Json:
    return serializers.build(entry, app, tickets.url(call, app, "builds", {"build": str(entry.build.id)}))


def _id(text: str) -> BuildId | None:
    try:
        return BuildId(UUID(text))
    except ValueError:
        return None
