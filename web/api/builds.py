"""Builds: of an archive that was uploaded, and those of pushes."""

from collections.abc import Sequence
from uuid import UUID

from skypanel.domain.app import App
from skypanel.domain.build import Build
from skypanel.domain.errors import Conflict, Invalid, NotFound
from skypanel.flow import upload as upload_flow
from skypanel.ports.database import Connection
from skypanel.store import accounts, builds, releases
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
    async with call.panel.autocommit() as conn:
        found = await builds.page(conn, app.id, asked.max + 1, after, is_descending=asked.is_descending)
        shown = await _shown(conn, call, app, found[: asked.max])
    return Page(shown, asked.next("id", shown[-1]["id"]) if len(found) > len(shown) else None)


async def show(call: Call) -> Reply:
    """Show a build."""
    app = await call.app()
    return Reply(await _one(call, app, await _build(call, app)))


async def create(call: Call) -> Reply:
    """Build an archive that was uploaded, and release what comes of it."""
    app, blob = await call.app(), call.body["source_blob"]
    if call.body.get("buildpacks"):
        raise Invalid("A build takes the buildpacks of its app.", "Set BUILDPACK_URL, or have a file .buildpacks in the archive.")
    upload_id = sources.upload_id(blob["url"], call.panel.address)
    made = await upload_flow.build(call.panel, app, call.account, upload_id, version=blob.get("version"), checksum=blob.get("checksum"))
    return Reply(await _one(call, app, made), 201)


async def cancel(call: Call) -> Reply:
    """Stop a build that has not ended; what served before serves on."""
    app = await call.app()
    found = await _build(call, app)
    if not await upload_flow.cancel(call.panel, app, found.id, call.account):
        raise Conflict("This build has ended.", "Roll back if it is live and should not be.")
    return Reply(await _one(call, app, await _build(call, app)))


async def _build(call: Call, app: App) -> Build:
    async with call.panel.autocommit() as conn:
        found = await builds.get(conn, call.id("build", "build"))
    if found.app_id != app.id:
        raise NotFound("There is no such build.")
    return found


async def _one(call: Call, app: App, build: Build) -> Json:
    async with call.panel.autocommit() as conn:
        return (await _shown(conn, call, app, [build]))[0]


async def _shown(conn: Connection, call: Call, app: App, found: Sequence[Build]) -> list[Json]:
    emails = await accounts.emails(conn, {build.account_id for build in found if build.account_id})
    released = await releases.of_builds(conn, [build.id for build in found])
    return [
        serializers.build(
            build,
            app,
            emails.get(build.account_id) if build.account_id else None,
            released.get(build.id),
            tickets.url(call, app, "builds", {"build": str(build.id)}),
        )
        for build in found
    ]


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
