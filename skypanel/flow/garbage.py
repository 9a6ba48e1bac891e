"""Garbage collection of stored objects.

An object is written before the row that refers to it. So only objects older than any push could take are examined. The deletion checks the
age again, because writing an object again makes it young.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta

from skypanel.domain.output import stream_of
from skypanel.domain.settings import ALL
from skypanel.domain.storage import ObjectKind
from skypanel.flow import alerts, log_retention, submissions, webhooks
from skypanel.flow.configured import values
from skypanel.ports.database import Connection
from skypanel.ports.objects import Objects
from skypanel.ports.panel import Panel
from skypanel.store import apps, garbage

YOUNG = timedelta(days=1)
AT_ONCE = 200

log = logging.getLogger(__name__)

Needed = Callable[[Connection, Collection[str], int | None], Awaitable[set[str]]]


async def collect(panel: Panel) -> None:
    """Delete what no app needs: old log lines, slugs beyond `kept_releases`, sources without a slug, output without a build or rollout.

    Idempotent, and safe to interrupt. Raises Unavailable.
    """
    await log_retention.enforce(panel)
    async with panel.autocommit() as conn:
        kept = (await values(conn, panel.cipher))["kept_releases"]
    kept_releases = None if kept == ALL else int(kept)
    before = panel.clock.now() - YOUNG
    for kind, needed in NEEDED.items():
        async for names in _old(panel.objects, kind, before):
            async with panel.transaction() as conn:
                unneeded = set(names) - await needed(conn, names, kept_releases)
            for name in unneeded:
                await panel.objects.delete(kind, name, before)
            if unneeded:
                log.info("%d %s were deleted, as nothing needs them", len(unneeded), kind)
    await panel.objects.sweep(before)
    await _forget_logs(panel)
    await submissions.sweep(panel)
    await webhooks.sweep(panel)
    await alerts.sweep(panel)


async def _forget_logs(panel: Panel) -> None:
    """Delete logs of apps that no longer exist: a collector may have delivered lines late."""
    kept = await panel.logs.kept()
    async with panel.autocommit() as conn:
        gone = set(kept) - set(await apps.existing(conn, kept))
    for app_id in gone:
        await panel.logs.forget(app_id)


async def _old(objects: Objects, kind: ObjectKind, before: datetime) -> AsyncIterator[Sequence[str]]:
    """Yield the names of objects written before then, in batches."""
    names: list[str] = []
    async for kept in objects.list(kind):
        if kept.modified_at < before:
            names.append(kept.name)
        if len(names) == AT_ONCE:
            yield names
            names = []
    yield names


async def _needed_outputs(conn: Connection, names: Collection[str], _kept_releases: int | None) -> set[str]:
    """Return the names whose build or rollout exists, and names that cannot be parsed."""
    streams = {name: stream_of(name) for name in names}
    known = await garbage.known_jobs(conn, {stream.id for stream in streams.values() if stream})
    return {name for name, stream in streams.items() if stream is None or stream.id in known}


NEEDED: dict[ObjectKind, Needed] = {
    ObjectKind.SLUGS: garbage.needed_slugs,
    ObjectKind.SOURCES: garbage.needed_sources,
    ObjectKind.OUTPUTS: _needed_outputs,
}
