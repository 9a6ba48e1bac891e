"""What open pages watch: whether their apps changed since they were rendered."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skypanel.domain.account import Account
from skypanel.domain.ids import AppId, OrganizationId
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
class View:
    """What a page shows: some apps in detail, or the list of the apps of some organizations and of some more apps."""

    app_ids: frozenset[AppId]
    organization_ids: frozenset[OrganizationId] = frozenset()
    is_list: bool = False


@dataclass(frozen=True)
class Snapshot:
    """Fingerprints of what some pages show, at one moment."""

    apps: Mapping[AppId, str]
    lists: Mapping[OrganizationId | AppId, str]

    def fingerprint(self, view: View) -> str:
        """Return a short text that differs whenever what a page shows differs."""
        found: Mapping[Any, str] = self.lists if view.is_list else self.apps
        keys = sorted((*view.organization_ids, *view.app_ids), key=str)
        text = "\n".join(f"{key} {found.get(key, '')}" for key in keys)
        return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


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


async def list_of(panel: Panel, account: Account) -> View:
    """Return the view of the list of an account's apps."""
    async with panel.autocommit() as conn:
        organization_ids, app_ids = await open_pages.listed(conn, account.id)
    return View(frozenset(app_ids), frozenset(organization_ids), is_list=True)


async def snapshot(panel: Panel, views: Collection[View], now: Moment) -> Snapshot:
    """Return the fingerprints of these views, by one statement for those of apps and one for lists."""
    return await _snapshot(panel, views, now.dynos)


async def now(panel: Panel, view: View) -> str:
    """Return the fingerprint of a page, as it is now."""
    return await fingerprint(panel, view, await panel.scheduler.dynos())


async def fingerprint(panel: Panel, view: View, dynos: Sequence[Dyno]) -> str:
    """Return the fingerprint of a page that shows these dynos."""
    return (await _snapshot(panel, [view], _states(dynos))).fingerprint(view)


async def _snapshot(panel: Panel, views: Collection[View], states: frozenset[tuple[AppId, str]]) -> Snapshot:
    shown = frozenset().union(*(view.app_ids for view in views if not view.is_list))
    lists = [view for view in views if view.is_list]
    owners = frozenset().union(*(view.organization_ids for view in lists))
    shared = frozenset().union(*(view.app_ids for view in lists))
    dynos: dict[AppId, str] = {}
    for app_id, state in sorted(states):
        dynos[app_id] = f"{dynos.get(app_id, '')} {state}"
    async with panel.autocommit() as conn:
        of_apps = await fingerprints.of_apps(conn, shown, {app_id: dynos[app_id] for app_id in shown & dynos.keys()}) if shown else {}
        of_lists = await fingerprints.of_lists(conn, owners, shared, dynos) if lists else {}
    return Snapshot(of_apps, of_lists)


def _states(dynos: Sequence[Dyno]) -> frozenset[tuple[AppId, str]]:
    return frozenset((dyno.key.app_id, f"{dyno.key.version}.{dyno.key.generation}.{dyno.key.name} {dyno.state}") for dyno in dynos)
