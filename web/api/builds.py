"""Builds: list, show and cancel them, and build an uploaded archive."""

from typing import Annotated

from msgspec import Meta

from skypanel.domain.app import App
from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.ids import BuildId, as_id
from skypanel.flow import history
from skypanel.flow import upload as upload_flow
from skypanel.flow.history import BuildEntry
from web.api import sources, tickets
from web.api.bodies import Body, Several, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page
from web.api.resources import releases

Address = Annotated[str, Meta(max_length=2048)]


class BuildOrigin(Body):
    """The uploaded archive to build, by its get_url."""

    url: Address
    version: Text | None = None
    version_description: Text | None = None
    checksum: Text | None = None


class BuildBuildpack(Body):
    """A buildpack for one build. The panel supports none here."""

    url: Address | None = None
    name: Text | None = None


class NewBuild(Body):
    """A new build."""

    source_blob: BuildOrigin
    buildpacks: Several[BuildBuildpack] = ()


async def index(call: Call) -> Page:
    """List the builds of an app, by age."""
    app, requested = await call.app(), call.range
    first = as_id(requested.first) if requested.after_first else None
    after = BuildId(first) if first else None
    found = await history.builds(call.panel, app, requested.max + 1, after, is_descending=requested.is_descending)
    page = found[: requested.max]
    return Page([_shown(call, app, each) for each in page], requested.next("id", page[-1].build.id) if len(found) > len(page) else None)


async def show(call: Call) -> Reply:
    """Show a build."""
    app = await call.app()
    return Reply(_shown(call, app, await history.build(call.panel, app, BuildId(call.id("build", "build")))))


async def create(call: Call, body: NewBuild) -> Reply:
    """Build an uploaded archive, and release the result."""
    app, blob = await call.app(), body.source_blob
    if body.buildpacks:
        raise Invalid("A build uses the buildpacks of its app.", "Set BUILDPACK_URL, or put a file .buildpacks into the archive.")
    upload_id = sources.upload_id(blob.url, call.panel.address)
    made = await upload_flow.build(call.panel, app, call.account, upload_id, version=blob.version, checksum=blob.checksum)
    return Reply(_shown(call, app, await history.build(call.panel, app, made.id)), 201)


async def cancel(call: Call) -> Reply:
    """Cancel a build that has not finished. The current release keeps serving."""
    app = await call.app()
    found = (await history.build(call.panel, app, BuildId(call.id("build", "build")))).build
    if not await upload_flow.cancel(call.panel, app, found.id, call.account):
        raise Conflict("This build has already finished.", "To undo its release, roll back.")
    return Reply(_shown(call, app, await history.build(call.panel, app, found.id)))


def _shown(call: Call, app: App, entry: BuildEntry) -> releases.Build:
    return releases.build(entry, app, tickets.url(call, app, "builds", {"build": str(entry.build.id)}))
