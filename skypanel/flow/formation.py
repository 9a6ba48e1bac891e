"""An app's formation and its dynos, as lists show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from skypanel.domain.app import App
from skypanel.domain.ids import ReleaseId, SlugId
from skypanel.domain.manifest import RELEASE_PHASE, Dyno, Process
from skypanel.flow import detail
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import formation, releases, slugs


@dataclass(frozen=True)
class Formation:
    """An app's process types, and the time of the last release. Types that the release lacks have no command."""

    processes: Sequence[Process]
    changed_at: datetime | None


@dataclass(frozen=True)
class DynoEntry:
    """A dyno with its command, and its release unless that no longer exists."""

    dyno: Dyno
    release_id: ReleaseId | None
    command: str


async def of(panel: Panel, app: App) -> Formation:
    """Return an app's process types that can be scaled."""
    async with panel.autocommit() as conn:
        quantities = await formation.get(conn, app.id)
        release = await releases.get(conn, app.current_release_id) if app.current_release_id else None
        commands = await _commands(conn, release.slug_id) if release else {}
    processes = [Process(name, commands.get(name, ""), quantity) for name, quantity in quantities.items() if name != RELEASE_PHASE]
    return Formation(processes, release.created_at if release else None)


async def dynos(panel: Panel, app: App) -> Sequence[DynoEntry]:
    """Return all dynos of an app, including one-off dynos."""
    running = await detail.running(panel, app)
    async with panel.autocommit() as conn:
        found = await releases.by_versions(conn, app.id, {dyno.key.version for dyno in running})
        commands = {version: await _commands(conn, release.slug_id) for version, release in found.items()}
    ids = {version: release.id for version, release in found.items()}
    return [
        DynoEntry(dyno, ids.get(dyno.key.version), dyno.command or commands.get(dyno.key.version, {}).get(dyno.key.process_type, ""))
        for dyno in running
    ]


async def _commands(conn: Connection, slug_id: SlugId | None) -> Mapping[str, str]:
    return (await slugs.get(conn, slug_id)).process_types if slug_id else {}
