"""Builds, releases and uploaded sources."""

from typing import Literal

from skypanel.domain.app import App
from skypanel.domain.build import BuildState, SourceKind
from skypanel.domain.identity import derived_id
from skypanel.domain.release import ReleaseState
from skypanel.domain.slug import STACK
from skypanel.flow.history import BuildEntry, ReleaseEntry
from web.api.resources.apps import app_ref
from web.api.resources.common import GENERATION, NOBODY, Count, Id, Named, Nothing, Person, Ref, Resource, Time, Url, person, time

BuildStatus = Literal["pending", "succeeded", "failed"]
ReleaseStatus = Literal["pending", "succeeded", "failed", "expired"]
BUILD_STATUS: dict[BuildState, BuildStatus] = {
    BuildState.PENDING: "pending",
    BuildState.BUILDING: "pending",
    BuildState.SUCCEEDED: "succeeded",
    BuildState.FAILED: "failed",
}
STATUS: dict[ReleaseState, ReleaseStatus] = {
    ReleaseState.PENDING: "pending",
    ReleaseState.SUCCEEDED: "succeeded",
    ReleaseState.FAILED: "failed",
    ReleaseState.SUPERSEDED: "expired",
}


class Origin(Resource, kw_only=True):
    """The source of a build. Its URL cannot be downloaded."""

    checksum: str | None = None
    kind: SourceKind
    url: str = ""
    version: str | None
    version_description: str | None = None


class Build(Resource, kw_only=True):
    """A build."""

    id: Id
    app: Named
    buildpacks: None = None
    created_at: Time
    generation: str = GENERATION
    output_stream_url: Url
    release: Ref | None
    slug: Ref | None
    source_blob: Origin
    stack: str = STACK
    status: BuildStatus
    updated_at: Time
    user: Person


class Release(Resource, kw_only=True):
    """A release."""

    id: Id
    addon_plan_names: tuple[str, ...] = ()
    app: Named
    artifacts: tuple[Nothing, ...] = ()
    created_at: Time
    current: bool
    description: str
    eligible_for_rollback: bool
    output_stream_url: Url | None
    slug: Ref | None
    status: ReleaseStatus
    updated_at: Time
    user: Person
    version: Count


class Blob(Resource):
    """The URL to upload an archive to, and the URL that refers to it in a build."""

    get_url: Url
    put_url: Url


class Source(Resource):
    """An upload of a source archive."""

    source_blob: Blob


class Received(Resource):
    """The result of an upload."""

    checksum: str


def build(entry: BuildEntry, app: App, output_url: str) -> Build:
    """Return a build."""
    of = entry.build
    return Build(
        id=str(of.id),
        app=app_ref(app),
        created_at=time(of.created_at),
        output_stream_url=output_url,
        release=Ref(id=str(entry.release_id)) if entry.release_id else None,
        slug=Ref(id=str(of.slug_id)) if of.slug_id else None,
        source_blob=Origin(kind=of.source.kind, version=of.source.commit),
        status=BUILD_STATUS[of.state],
        updated_at=time(of.finished_at or of.created_at),
        user=person(of.account_id, entry.email),
    )


def release(entry: ReleaseEntry, app: App, output_url: str) -> Release:
    """Return a release."""
    of, made = entry.release, time(entry.release.created_at)
    return Release(
        id=str(of.id),
        app=app_ref(app),
        created_at=made,
        current=of.id == app.current_release_id,
        description=of.description,
        eligible_for_rollback=of.proven_slug_id is not None,
        output_stream_url=output_url,
        slug=Ref(id=str(of.slug_id)) if of.slug_id else None,
        status=STATUS[of.state],
        updated_at=made,
        user=person(of.account_id, entry.email),
        version=of.version,
    )


def unreleased(app: App) -> Release:
    """Return a placeholder for an app without releases: clients expect at least one."""
    made = time(app.created_at)
    return Release(
        id=str(derived_id(app.id, "unreleased")),
        app=app_ref(app),
        created_at=made,
        current=True,
        description="There is no release yet: push first",
        eligible_for_rollback=False,
        output_stream_url=None,
        slug=None,
        status="pending",
        updated_at=made,
        user=NOBODY,
        version=0,
    )
