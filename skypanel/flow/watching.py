"""What open pages watch: whether their apps changed since they were rendered."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from skypanel.domain.ids import AppId
from skypanel.domain.manifest import Dyno
from skypanel.flow.digest import digest
from skypanel.ports.panel import Panel
from skypanel.store import changes, fingerprints, open_pages

DIGITS = 16

# The digest of a page's session, and its app, or None for the list of apps.
OpenPage = tuple[str, AppId | None]


@dataclass(frozen=True)
class Moment:
    """The state of the database, and all dynos with their states. While both stay the same, no app changes."""

    database: str
    dynos: frozenset[tuple[AppId, str]]


@dataclass(frozen=True)
class Snapshot:
    """Fingerprints of some apps at one moment, and of the list of all apps if a list is among the pages."""

    apps: Mapping[AppId, str]
    apps_at_all: str

    def fingerprint(self, app_ids: Collection[AppId], *, is_list: bool = False) -> str:
        """Return a short text that differs whenever what pages show of these apps differs.

        With `is_list` it also differs when an app is created or destroyed.
        """
        text = "\n".join(f"{app_id} {self.apps.get(app_id, '')}" for app_id in sorted(app_ids, key=str))
        return hashlib.sha256(f"{self.apps_at_all if is_list else ''}\n{text}".encode()).hexdigest()[:DIGITS]


def open_page(session: str, app_id: AppId | None = None) -> OpenPage:
    """Return an open page of a session: of one app, or the list of apps."""
    return digest(session), app_id


async def reach(panel: Panel, pages: Collection[OpenPage]) -> Mapping[OpenPage, str]:
    """Return a text for each of these pages that may still be seen. It differs whenever what the visitor may see there differs."""
    async with panel.autocommit() as conn:
        return await open_pages.reach(conn, pages)


async def moment(panel: Panel) -> Moment:
    """Return the present moment, by one cheap statement and one question to the scheduler."""
    async with panel.autocommit() as conn:
        database = await changes.state(conn)
    return Moment(database, _states(await panel.scheduler.dynos()))


async def snapshot(panel: Panel, app_ids: Collection[AppId], now: Moment, *, has_list: bool) -> Snapshot:
    """Return the fingerprints of these apps, and with `has_list` that of the list of all apps."""
    return await _snapshot(panel, app_ids, now.dynos, has_list=has_list)


async def fingerprint(panel: Panel, app_ids: Collection[AppId], dynos: Sequence[Dyno], *, is_list: bool = False) -> str:
    """Return the fingerprint of apps that a page shows with these dynos."""
    return (await _snapshot(panel, app_ids, _states(dynos), has_list=is_list)).fingerprint(app_ids, is_list=is_list)


async def _snapshot(panel: Panel, app_ids: Collection[AppId], states: frozenset[tuple[AppId, str]], *, has_list: bool) -> Snapshot:
    async with panel.autocommit() as conn:
        stored = await fingerprints.of_apps(conn, app_ids)
        at_all = await fingerprints.of_list(conn) if has_list else ""
    dynos: dict[AppId, list[str]] = defaultdict(list)
    for app_id, state in sorted(states):
        dynos[app_id].append(state)
    return Snapshot({app_id: f"{text} {' '.join(dynos.get(app_id, ()))}" for app_id, text in stored.items()}, at_all)


def _states(dynos: Sequence[Dyno]) -> frozenset[tuple[AppId, str]]:
    return frozenset((dyno.key.app_id, f"{dyno.key.version}.{dyno.key.generation}.{dyno.key.name} {dyno.state}") for dyno in dynos)
