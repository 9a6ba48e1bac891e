"""Reading along with a build and its rollout until the end is known."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from skypanel.domain.build import BuildState
from skypanel.domain.errors import Conflict, Invalid, SkyPanelError
from skypanel.domain.output import FIRST, build_stream, rollout_stream
from skypanel.domain.release import Release, Rollout, RolloutState
from skypanel.ports import Connection, Panel, WriteLine
from skypanel.store import builds, releases, rollouts

IDLE_S = 15.0
DRAIN_S = 1.0
RECHECK_S = 0.1

Finished = Callable[[], Awaitable[bool]]


async def follow_build(panel: Panel, build_id: UUID, write: WriteLine) -> Release:
    """Copy the lines of a build and its rollout to `write`, and return the release once it is live.

    Raises Invalid if the build failed, or what `follow_rollout` raises; the lines say why.
    """

    async def finished() -> bool:
        async with panel.transaction() as conn:
            return (await builds.get(conn, build_id)).state.finished

    await _copy(panel, build_stream(build_id), finished, write)
    async with panel.transaction() as conn:
        build = await builds.get(conn, build_id)
        release = await releases.of_build(conn, build_id)
        rollout = await rollouts.of_release(conn, release.id) if release else None
    if build.state is not BuildState.SUCCEEDED or release is None or rollout is None:
        raise Invalid("Push rejected, the build failed.")
    return await follow_rollout(panel, rollout, write)


async def follow_rollout(panel: Panel, rollout: Rollout, write: WriteLine) -> Release:
    """Copy the lines of a rollout to `write`, and return the release that came live with its slug.

    Where a newer release with the same slug overtook it, that one is followed instead. Raises
    Invalid if it failed, Conflict if a release with another slug overtook it.
    """

    async def finished() -> bool:
        async with panel.transaction() as conn:
            return (await rollouts.get(conn, rollout.id)).state.finished

    await _copy(panel, rollout_stream(rollout.id), finished, write)
    async with panel.transaction() as conn:
        ended = await rollouts.get(conn, rollout.id)
        release = await releases.get(conn, ended.release_id)
        successor = await _successor(conn, ended) if ended.state is RolloutState.SUPERSEDED else None
    if ended.state is RolloutState.SUCCEEDED:
        return release
    if successor is not None:
        return await follow_rollout(panel, successor, write)
    raise _rejection(ended, release)


def _rejection(rollout: Rollout, release: Release) -> SkyPanelError:
    if rollout.state is RolloutState.SUPERSEDED:
        return Conflict(f"v{release.version} was overtaken by a newer release.")
    return Invalid(f"v{release.version} did not go live.", "The release before it keeps serving.")


async def _successor(conn: Connection, rollout: Rollout) -> Rollout | None:
    """Return the rollout of the app's newest release if that carries the same slug."""
    newest = await rollouts.newest_release(conn, rollout.app_id)
    if newest is None or newest.id == rollout.id:
        return None
    ours, theirs = await releases.get(conn, rollout.release_id), await releases.get(conn, newest.release_id)
    return newest if ours.slug_id == theirs.slug_id else None


async def _copy(panel: Panel, stream: str, finished: Finished, write: WriteLine) -> None:
    """Copy a stream until the database says that it ended.

    An end mark alone does not end it: a worker that was stopped leaves one, and another goes on.
    """
    last, marked = FIRST, False
    while True:
        done = await finished()
        if done and marked:
            return
        async for line in panel.output.read(stream, last, idle_s=DRAIN_S if done else IDLE_S):
            last, marked = line.id, line.end
            if not line.end:
                await write(line.text)
        if done:
            return
        if marked:
            await asyncio.sleep(RECHECK_S)
