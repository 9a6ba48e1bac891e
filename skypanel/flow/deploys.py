"""Deploys as pages show them: their state, their output so far, and their further output."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from skypanel.domain.app import App
from skypanel.domain.build import Build
from skypanel.domain.deploy import Deploy
from skypanel.domain.errors import Conflict, Invalid, NotFound
from skypanel.domain.ids import BuildId, ReleaseId
from skypanel.domain.output import FIRST, Line, LineId, Place, Stream, build_stream
from skypanel.domain.release import Release, Rollout
from skypanel.flow.follow import Show, show_build, show_rollout
from skypanel.ports.database import Connection
from skypanel.ports.output import Output
from skypanel.ports.panel import Panel
from skypanel.store import accounts, builds, releases, rollouts
from skypanel.store import deploys as store


@dataclass(frozen=True)
class OutputTail:
    """The last lines of a deploy's output, and how many lines came before them.

    `place` is where the output continues; None if it has ended.
    """

    lines: Sequence[str]
    left_out: int
    place: Place | None


async def of_build(panel: Panel, app: App, build_id: BuildId) -> Deploy:
    """Return a build of an app with its release and rollout. Raises NotFound."""
    async with panel.autocommit() as conn:
        return await _of_build(conn, app, await builds.of_app(conn, app.id, build_id))


async def of_version(panel: Panel, app: App, version: int) -> Deploy:
    """Return the deploy that created a release of an app. Raises NotFound."""
    async with panel.autocommit() as conn:
        return await _of_release(conn, app, await releases.by_version(conn, app.id, version))


async def of_id(panel: Panel, app: App, deploy_id: UUID) -> Deploy:
    """Return a deploy of an app by the id of its build or release. Raises NotFound."""
    async with panel.autocommit() as conn:
        try:
            return await _of_build(conn, app, await builds.of_app(conn, app.id, BuildId(deploy_id)))
        except NotFound:
            release = await releases.of_app(conn, app.id, ReleaseId(deploy_id))
        return await _of_release(conn, app, release)


async def asked_by(panel: Panel, deploy: Deploy) -> str | None:
    """Return the address of the account that requested a deploy, or None."""
    if deploy.account_id is None:
        return None
    async with panel.autocommit() as conn:
        return (await accounts.emails(conn, {deploy.account_id})).get(deploy.account_id)


async def last_failed(panel: Panel, app: App) -> bool:
    """Return whether an app's last deploy failed, and was not cancelled."""
    async with panel.autocommit() as conn:
        return await store.last_failed(conn, app.id)


async def under_way(conn: Connection, app: App) -> Deploy | None:
    """Return an app's deploy in progress, or None. A build takes precedence over a release."""
    build = await builds.active(conn, app.id)
    if build is not None:
        return Deploy(app, build, None, None)
    rollout = await rollouts.newest_release(conn, app.id)
    if rollout is None or rollout.state.finished:
        return None
    release = await releases.get(conn, rollout.release_id)
    return Deploy(app, await builds.get(conn, release.build_id) if release.build_id else None, release, rollout)


async def _of_build(conn: Connection, app: App, build: Build) -> Deploy:
    release = await releases.of_build(conn, build.id)
    return Deploy(app, build, release, await rollouts.of_release(conn, release.id) if release else None)


async def _of_release(conn: Connection, app: App, release: Release) -> Deploy:
    build = await builds.get(conn, release.build_id) if release.build_id else None
    return Deploy(app, build, release, await rollouts.of_release(conn, release.id))


async def so_far(panel: Panel, deploy: Deploy, most: int) -> OutputTail:
    """Return the last `most` lines of a deploy's output, without waiting for more."""
    kept: deque[str] = deque(maxlen=most)
    count = 0
    for stream, is_finished in deploy.streams():
        place, is_marked = Place(stream), False
        async for line in _available(panel.output, stream):
            place, is_marked = Place(stream, line.id), line.end
            if not line.end:
                kept.append(line.text)
                count += 1
        # As in follow.copy: only the database and the end mark together show that no more lines come.
        if not (is_finished and is_marked):
            return OutputTail(kept, count - len(kept), place)
    return OutputTail(kept, count - len(kept), None)


async def _available(output: Output, stream: Stream) -> AsyncIterator[Line]:
    """Yield the lines that a stream has now; a single read may yield only a part of them."""
    after: LineId | None = FIRST
    while after is not None:
        start, after = after, None
        async for line in output.read(stream, start, idle_s=0):
            yield line
            after = None if line.end else line.id


async def watch(panel: Panel, deploy: Deploy, show: Show, after: Place | None = None) -> Deploy:
    """Show a deploy's output after a place until the deploy ends, and return its final state.

    The place may be in the rollout of a newer release that superseded this one.
    """
    # The returned deploy says how it ended.
    with suppress(Invalid, Conflict):
        await _show(panel, deploy, show, after)
    if deploy.build is not None:
        return await of_build(panel, deploy.app, deploy.build.id)
    return await of_version(panel, deploy.app, deploy.release.version) if deploy.release else deploy


async def _show(panel: Panel, deploy: Deploy, show: Show, after: Place | None) -> None:
    reached = await _reached(panel, deploy, after)
    if reached is not None and after is not None:
        await show_rollout(panel, reached, show, after.id)
    elif deploy.build is not None:
        is_in_build = after is not None and after.stream == build_stream(deploy.build.id)
        await show_build(panel, deploy.build.id, show, after.id if after is not None and is_in_build else FIRST)
    elif deploy.rollout is not None:
        await show_rollout(panel, deploy.rollout, show)


async def _reached(panel: Panel, deploy: Deploy, place: Place | None) -> Rollout | None:
    """Return the rollout that a place belongs to, if it is one of the app's."""
    if place is None or place.rollout_id is None:
        return None
    async with panel.autocommit() as conn:
        try:
            rollout = await rollouts.get(conn, place.rollout_id)
        except NotFound:
            return None
    return rollout if rollout.app_id == deploy.app.id else None
