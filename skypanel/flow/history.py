"""An app's builds and releases as lists show them, each with the address of the account that requested it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from skypanel.domain.app import App
from skypanel.domain.build import Build
from skypanel.domain.deploy_history import DeployEntry
from skypanel.domain.ids import AccountId, BuildId, DeployId, ReleaseId
from skypanel.domain.release import Release
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import accounts, deploy_history
from skypanel.store import builds as stored_builds
from skypanel.store import releases as stored_releases


@dataclass(frozen=True)
class BuildEntry:
    """A build, the address of the account that requested it, if that still exists, and the release that it produced."""

    build: Build
    email: str | None
    release_id: ReleaseId | None


@dataclass(frozen=True)
class ReleaseEntry:
    """A release, and the address of the account that created it, if that still exists."""

    release: Release
    email: str | None


async def builds(panel: Panel, app: App, limit: int, after: BuildId | None, *, is_descending: bool) -> Sequence[BuildEntry]:
    """Return at most `limit` of an app's builds in order of age, starting after the build `after`."""
    async with panel.autocommit() as conn:
        return await _build_entries(conn, await stored_builds.page(conn, app.id, limit, after, is_descending=is_descending))


async def build(panel: Panel, app: App, build_id: BuildId) -> BuildEntry:
    """Return a build of an app. Raises NotFound."""
    async with panel.autocommit() as conn:
        return (await _build_entries(conn, [await stored_builds.of_app(conn, app.id, build_id)]))[0]


async def releases(panel: Panel, app: App, limit: int, low: int, high: int, *, is_descending: bool) -> Sequence[ReleaseEntry]:
    """Return at most `limit` of an app's releases with versions from `low` to `high`, both inclusive."""
    async with panel.autocommit() as conn:
        return await _release_entries(conn, await stored_releases.page(conn, app.id, limit, low, high, is_descending=is_descending))


@dataclass(frozen=True)
class DeployPage:
    """A page of an app's deploys, newest first. `older` and `newer` are the deploys from which the pages beside it go on."""

    entries: Sequence[DeployEntry]
    older: DeployId | None
    newer: DeployId | None


async def deploys(panel: Panel, app: App, limit: int, *, older_than: UUID | None = None, newer_than: UUID | None = None) -> DeployPage:
    """Return a page of an app's builds and releases as one history: the newest, or those right before or after one of them."""
    before, after = (BuildId(each) if each else None for each in (older_than, newer_than))
    async with panel.autocommit() as conn:
        found = await deploy_history.page(conn, app.id, limit + 1, older_than=before, newer_than=after)
    has_more = len(found) > limit
    entries = found[-limit:] if after else found[:limit]
    has_older, has_newer = (True, has_more) if after else (has_more, before is not None)
    return DeployPage(entries, entries[-1].id if entries and has_older else None, entries[0].id if entries and has_newer else None)


async def release(panel: Panel, app: App, named: ReleaseId | int) -> ReleaseEntry:
    """Return a release of an app by its id or version. Raises NotFound."""
    async with panel.autocommit() as conn:
        return (await _release_entries(conn, [await _release(conn, app, named)]))[0]


async def _release(conn: Connection, app: App, named: ReleaseId | int) -> Release:
    if isinstance(named, int):
        return await stored_releases.by_version(conn, app.id, named)
    return await stored_releases.of_app(conn, app.id, named)


async def _build_entries(conn: Connection, found: Sequence[Build]) -> Sequence[BuildEntry]:
    emails = await _emails(conn, (each.account_id for each in found))
    released = await stored_releases.of_builds(conn, [each.id for each in found])
    return [BuildEntry(each, emails.get(each.account_id) if each.account_id else None, released.get(each.id)) for each in found]


async def _release_entries(conn: Connection, found: Sequence[Release]) -> Sequence[ReleaseEntry]:
    emails = await _emails(conn, (each.account_id for each in found))
    return [ReleaseEntry(each, emails.get(each.account_id) if each.account_id else None) for each in found]


async def _emails(conn: Connection, account_ids: Iterable[AccountId | None]) -> Mapping[AccountId, str]:
    return await accounts.emails(conn, {account_id for account_id in account_ids if account_id})
