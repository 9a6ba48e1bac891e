"""Deleting the objects that nothing needs any more.

An object is written before the row that refers to it. So only what is older than any push could take is looked
at, and its age once more as it is deleted: writing an object again makes it young.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta

from skypanel.domain.output import stream_of
from skypanel.domain.settings import ALL
from skypanel.domain.storage import ObjectKind
from skypanel.flow.configured import values
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import apps, garbage

YOUNG = timedelta(days=1)
AT_ONCE = 200

log = logging.getLogger(__name__)

Needed = Callable[[Connection, Collection[str], int | None], Awaitable[set[str]]]


async def collect(panel: Panel) -> None:
    """Delete what no app needs: slugs beyond those that are kept, sources of no slug, output of no build or rollout.

    May be repeated, and interrupted. Raises Unavailable.
    """
    async with panel.autocommit() as conn:
        kept = (await values(conn, panel.cipher))["kept_releases"]
    kept_releases = None if kept == ALL else int(kept)
    before = panel.clock.now() - YOUNG
    for kind, needed in NEEDED.items():
        async for names in _old(panel, kind, before):
            async with panel.transaction() as conn:
                unneeded = set(names) - await needed(conn, names, kept_releases)
            for name in unneeded:
                await panel.objects.delete(kind, name, before)
            if unneeded:
                log.info("%d %s were deleted, as nothing needs them", len(unneeded), kind)
    await panel.objects.sweep(before)
    await _forget_logs(panel)


async def _forget_logs(panel: Panel) -> None:
    """Remove the logs of apps that are no more: a collector may be late."""
    kept = await panel.logs.kept()
    async with panel.autocommit() as conn:
        gone = set(kept) - set(await apps.existing(conn, kept))
    for app_id in gone:
        await panel.logs.forget(app_id)


async def _old(panel: Panel, kind: ObjectKind, before: datetime) -> AsyncIterator[Sequence[str]]:
    """Yield the names of the objects that were written before then, some at a time."""
    names: list[str] = []
    async for kept in panel.objects.list(kind):
        if kept.modified_at < before:
            names.append(kept.name)
        if len(names) == AT_ONCE:
            yield names
            names = []
    yield names


async def _needed_outputs(conn: Connection, names: Collection[str], _kept_releases: int | None) -> set[str]:
    """Return the names of the output of builds and rollouts that are on record, and those that cannot be read."""
    streams = {name: stream_of(name) for name in names}
    known = await garbage.known_jobs(conn, {stream.id for stream in streams.values() if stream})
    return {name for name, stream in streams.items() if stream is None or stream.id in known}


NEEDED: dict[ObjectKind, Needed] = {
    ObjectKind.SLUGS: garbage.needed_slugs,
    ObjectKind.SOURCES: garbage.needed_sources,
    ObjectKind.OUTPUTS: _needed_outputs,
}
