"""Follows the output of a build and its rollout until the result is known."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from skypanel.domain.app import App
from skypanel.domain.build import BuildState, QueuePosition
from skypanel.domain.errors import Conflict, Invalid, SkyPanelError
from skypanel.domain.ids import BuildId
from skypanel.domain.output import FIRST, LineId, Place, build_stream, rollout_stream
from skypanel.domain.release import Release, Rollout, RolloutReason, RolloutState
from skypanel.domain.transcript import heading, is_dimmed
from skypanel.flow import build as build_flow
from skypanel.ports.database import Connection
from skypanel.ports.output import Output, WriteLine
from skypanel.ports.panel import Panel
from skypanel.store import apps, builds, releases, rollouts

IDLE_S = 15.0
QUEUED_S = 1.0
DRAIN_S = 1.0
RECHECK_S = 0.1

# Returns how many seconds to wait for a line before checking again; None once the writer has finished.
Patience = Callable[[], Awaitable[float | None]]
Show = Callable[[Place, str], Awaitable[None]]


async def follow_build(panel: Panel, build_id: BuildId, write: WriteLine) -> Release:
    """Copy the output of a build and its rollout to `write`, without asides, and return the release once it is live.

    Raises Invalid if the build failed, or what `follow_rollout` raises; the output says why.
    """
    return await show_build(panel, build_id, _texts(write))


async def follow_rollout(panel: Panel, rollout: Rollout, write: WriteLine) -> Release:
    """Copy the output of a rollout to `write`, and return the release that went live with its slug.

    If a newer release with the same slug superseded it, follow that one. Raises Invalid if the rollout failed, Conflict if a release with
    another slug superseded it.
    """
    return await show_rollout(panel, rollout, _texts(write))


def _texts(write: WriteLine) -> Show:
    async def show(_place: Place, text: str) -> None:
        if not is_dimmed(text):
            await write(text)

    return show


async def show_build(panel: Panel, build_id: BuildId, show: Show, after: LineId = FIRST) -> Release:
    """Do the same as `follow_build`, but start after line `after` of the build, and pass the place of each line."""
    place = Place(build_stream(build_id), after)
    await copy(panel.output, place, _QueueReporter(panel, build_id, partial(show, place)).patience, show)
    async with panel.autocommit() as conn:
        build = await builds.get(conn, build_id)
        release = await releases.of_build(conn, build_id)
        rollout = await rollouts.of_release(conn, release.id) if release else None
    if build.state is not BuildState.SUCCEEDED or release is None or rollout is None:
        raise Invalid("Push rejected, the build failed.")
    return await show_rollout(panel, rollout, show)


async def show_rollout(panel: Panel, rollout: Rollout, show: Show, after: LineId = FIRST) -> Release:
    """Do the same as `follow_rollout`, but start after line `after` of the rollout, and pass the place of each line."""

    async def patience() -> float | None:
        async with panel.autocommit() as conn:
            return None if (await rollouts.get(conn, rollout.id)).state.finished else IDLE_S

    await copy(panel.output, Place(rollout_stream(rollout.id), after), patience, show)
    async with panel.autocommit() as conn:
        ended = await rollouts.get(conn, rollout.id)
        release = await releases.get(conn, ended.release_id)
        app = await apps.get(conn, ended.app_id)
        successor = await _successor(conn, ended) if ended.state is RolloutState.SUPERSEDED else None
    if ended.state is RolloutState.SUCCEEDED:
        return release
    if successor is not None:
        return await show_rollout(panel, successor, show)
    raise _rejection(ended, release, app)


def _rejection(rollout: Rollout, release: Release, app: App) -> SkyPanelError:
    if rollout.state is RolloutState.SUPERSEDED:
        return Conflict(f"v{release.version} was superseded by a newer release.")
    if rollout.reason is not RolloutReason.RELEASE:
        return Invalid(f"The {rollout.reason} of v{release.version} failed.", "The dynos that ran before keep running.")
    if rollout.cancelled_at is not None:
        return Invalid(f"v{release.version} was cancelled.", app.what_serves)
    return Invalid(f"v{release.version} did not go live.", app.what_serves)


async def _successor(conn: Connection, rollout: Rollout) -> Rollout | None:
    """Return the rollout of the app's newest release if that has the same slug."""
    newest = await rollouts.newest_release(conn, rollout.app_id)
    if newest is None or newest.id == rollout.id:
        return None
    ours, theirs = await releases.get(conn, rollout.release_id), await releases.get(conn, newest.release_id)
    return newest if ours.slug_id == theirs.slug_id else None


class _QueueReporter:
    """Tells a reader of a pending build its position in the queue, whenever that changes.

    These lines are not stored, because a position is only true for a moment.
    """

    def __init__(self, panel: Panel, build_id: BuildId, write: WriteLine) -> None:
        self._panel = panel
        self._build_id = build_id
        self._write = write
        self._written: QueuePosition | None = None
        self._checked = False

    async def patience(self) -> float | None:
        """Return how long to wait for a line, as `copy` needs it."""
        async with self._panel.autocommit() as conn:
            state = (await builds.get(conn, self._build_id)).state
        if state is not BuildState.PENDING:
            return None if state.finished else IDLE_S
        await self._write_position()
        return QUEUED_S

    async def _write_position(self) -> None:
        # Workers claim most builds before the second check, and then the queue is of no interest.
        checked, self._checked = self._checked, True
        turn = await build_flow.turn(self._panel, self._build_id) if checked else None
        if turn is not None and turn != self._written:
            self._written = turn
            await self._write(heading(str(turn)))


async def copy(output: Output, place: Place, patience: Patience, show: Show) -> None:
    """Copy a stream from `place` on until the database says that its writer has finished.

    An end mark is not enough: a worker that was stopped writes one, and another worker continues.
    """
    marked = False
    while True:
        idle_s = await patience()
        if idle_s is None and marked:
            return
        async for line in output.read(place.stream, place.id, idle_s=DRAIN_S if idle_s is None else idle_s):
            place, marked = Place(place.stream, line.id), line.end
            if not line.end:
                await show(place, line.text)
        if idle_s is None:
            return
        if marked:
            await asyncio.sleep(RECHECK_S)
