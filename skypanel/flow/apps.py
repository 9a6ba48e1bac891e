"""Creating, finding and destroying apps."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

from skypanel.domain import names
from skypanel.domain.access import Action, Role, allows
from skypanel.domain.account import Account
from skypanel.domain.app import App, Listing
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, Denied, Hidden, NotFound, Unavailable
from skypanel.domain.ids import AppId, OrganizationId, ReleaseId
from skypanel.domain.manifest import Dyno, DynoState
from skypanel.domain.overview import AppFilter, AppOverview, AppState
from skypanel.domain.release import Release
from skypanel.domain.storage import ObjectKind
from skypanel.flow import audit, plans, route
from skypanel.flow.configured import value
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import apps, builds, collaborators, deploys, glances, listings, organizations, releases, routes, slugs


async def create(
    panel: Panel,
    by: Account,
    name: str,
    *,
    app_id: AppId | None = None,
    organization_id: OrganizationId | None = None,
    plan: str | None = None,
) -> App:
    """Create an app in an organization of the account, by default in its first one, and on the plan of new apps.

    Raises Invalid for a bad name, Conflict for a taken one, Denied if the account may not, and as `check_runs` and `plans.choose`.
    """
    names.check_app_name(name)
    async with panel.transaction() as conn:
        organization_id = await _place(conn, by, name, organization_id)
        chosen = await plans.choose(conn, plan or str(await value(conn, "default_plan")))
        app = await apps.add(conn, app_id or AppId(uuid4()), name, organization_id, chosen.id)
        await audit.record(conn, AuditAction.APP_CREATE, by, app)
    await panel.repositories.create(app.id)
    return app


async def check_name(panel: Panel, name: str) -> None:
    """Raise Invalid for a bad name, Conflict for a taken one."""
    names.check_app_name(name)
    if await named(panel, name) is not None:
        raise Conflict(f"The name {name} is taken.", "Choose another one.")


async def check_creator(panel: Panel, by: Account, name: str) -> None:
    """Raise as `create` would if the account may not create an app in its first organization."""
    async with panel.autocommit() as conn:
        await _place(conn, by, name)


async def _place(conn: Connection, by: Account, name: str, organization_id: OrganizationId | None = None) -> OrganizationId:
    """Return the organization for a new app, by default the account's first one."""
    if organization_id is None:
        owned = await organizations.of(conn, by.id)
        if not owned:
            raise Denied("You are not a member of any organization.", "Ask an administrator to add you to one.")
        organization_id = owned[0].id
    if not allows(await organizations.role(conn, organization_id, by.id), Action.CREATE_APP):
        raise Denied("You may not create apps in this organization.", "Ask one of its admins for the developer role.")
    if stopped := (await organizations.get(conn, organization_id)).suspension:
        raise stopped.refusal(name)
    return organization_id


async def access(panel: Panel, by: Account, name: str, action: Action) -> App:
    """Return the app with this name or id, if the account may do `action` to it. Raises as `access_with_role`."""
    app, _ = await access_with_role(panel, by, name, action)
    return app


async def access_with_role(panel: Panel, by: Account, name: str, action: Action) -> tuple[App, Role | None]:
    """Return the app with this name or id, and the account's role on it, if the account may do `action` to it.

    Raises NotFound if it does not exist or the account may not see it, Denied if the account's role is too low.
    """
    async with panel.autocommit() as conn:
        app, role = await apps.access(conn, name, by.id) or (None, None)
    if app is None or not allows(role, Action.VIEW_APP):
        raise (Hidden if app else NotFound)(f"App {names.printable(name)} not found, or not yours.", "Run `skypanel apps` to list yours.")
    if not allows(role, action):
        raise Denied(f"Your role does not allow this on {app.name}.", "Ask an admin of its organization.")
    return app, role


async def listing(panel: Panel, app: App, by: Account) -> Listing:
    """Return an app as the account sees it in a list. Raises NotFound."""
    async with panel.autocommit() as conn:
        return await listings.get(conn, app.id, by.id)


async def listed(
    panel: Panel, by: Account, *, after: str = "", limit: int | None = None, organization_id: OrganizationId | None = None
) -> Sequence[Listing]:
    """Return the apps that the account may see, in order of name, starting after the name `after`, at most `limit`.

    `organization_id` restricts them to one organization.
    """
    async with panel.autocommit() as conn:
        return await listings.of(conn, by.id, after=after, limit=limit, organization_id=organization_id)


async def named(panel: Panel, name: str) -> App | None:
    """Return the app with this name, or None, without a check of access."""
    async with panel.autocommit() as conn:
        return await apps.by_name(conn, name)


async def role(panel: Panel, app: App, account: Account) -> Role | None:
    """Return the account's role on an app, or None."""
    async with panel.autocommit() as conn:
        return await collaborators.role(conn, app, account.id)


async def overview(panel: Panel, account: Account) -> list[AppOverview]:
    """Return the account's apps with their releases and dynos, in order of name."""
    async with panel.autocommit() as conn:
        owned = await apps.of(conn, account.id)
        live = await releases.by_ids(conn, [app.current_release_id for app in owned if app.current_release_id])
        deploying = await deploys.open_among(conn, [app.id for app in owned])
        failed = await deploys.failed_among(conn, [app.id for app in owned])
    dynos = await _dynos(panel)
    return [
        _overview(panel, app, live, dynos.get(str(app.id), ()), is_deploying=app.id in deploying, has_failed=app.id in failed)
        for app in owned
    ]


@dataclass(frozen=True)
class AppList:
    """A part of an account's apps: those shown, how many are wanted and how many there are, and all states that any is in."""

    shown: Sequence[AppOverview]
    count: int
    total: int
    states: Collection[AppState]


async def search(panel: Panel, account: Account, wanted: AppFilter, *, offset: int, limit: int) -> AppList:
    """Return the wanted apps of the account, without the first `offset`, at most `limit`."""
    dynos = await _dynos(panel)
    async with panel.autocommit() as conn:
        seen = [(each, each.state(_states(dynos.get(each.id)))) for each in await glances.of(conn, account.id, wanted.order)]
        found = wanted.arrange(seen)
        part = found[offset : offset + limit]
        whole = {str(app.id): app for app in await apps.by_ids(conn, [AppId(UUID(each.id)) for each in part])}
        live = await releases.by_ids(conn, [app.current_release_id for app in whole.values() if app.current_release_id])
    shown = [
        _overview(panel, app, live, dynos.get(each.id, ()), is_deploying=each.is_deploying, has_failed=each.has_failed)
        for each in part
        if (app := whole.get(each.id)) is not None
    ]
    return AppList(shown, len(found), len(seen), {state for _, state in seen})


async def _dynos(panel: Panel) -> dict[str, list[Dyno]]:
    """Return all dynos in order of their keys, by the id of their app as text."""
    dynos: dict[str, list[Dyno]] = defaultdict(list)
    for dyno in sorted(await panel.scheduler.dynos(), key=lambda dyno: dyno.key):
        dynos[str(dyno.key.app_id)].append(dyno)
    return dynos


def _states(dynos: Sequence[Dyno] | None) -> Collection[DynoState]:
    return {dyno.state for dyno in dynos} if dynos else ()


def _overview(
    panel: Panel, app: App, live: Mapping[ReleaseId, Release], dynos: Sequence[Dyno], *, is_deploying: bool, has_failed: bool
) -> AppOverview:
    release = live.get(app.current_release_id) if app.current_release_id else None
    return AppOverview(app, release, dynos, panel.address.url(app.name), is_deploying, has_failed)


async def summary(panel: Panel, app: App) -> AppOverview:
    """Return an app with its release and dynos."""
    dynos = sorted(await panel.scheduler.dynos(app.id), key=lambda dyno: dyno.key)
    async with panel.autocommit() as conn:
        release = await releases.get(conn, app.current_release_id) if app.current_release_id else None
        is_deploying = bool(await deploys.open_among(conn, [app.id]))
        has_failed = (release is None or release.slug_id is None) and bool(await deploys.failed_among(conn, [app.id]))
    return AppOverview(app, release, dynos, panel.address.url(app.name), is_deploying, has_failed)


async def rename(panel: Panel, app: App, name: str, by: Account) -> App:
    """Rename an app, and with it its hostname; everything else belongs to its id and stays.

    Once this returns, the new hostname is in force and the old one is not. Raises Invalid for a bad name, Conflict for a taken one. Raises
    Unavailable if the proxy does not respond in time; it then follows as soon as it can.
    """
    names.check_app_name(name)
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        before = await apps.get(conn, app.id)
        if before.name == name:
            return before
        await apps.rename(conn, app.id, name)
        await audit.record(conn, AuditAction.APP_RENAME, by, before, to=name)
        renamed = await apps.get(conn, app.id)
        await route.follow_hosts(conn, panel.address, renamed)
    await route.confirm(panel, app.id)
    return renamed


async def destroy(panel: Panel, app: App, by: Account) -> None:
    """Destroy an app. First its route goes, then its dynos, logs, repository and stored objects, then its row.

    After a failure half-way, the app still exists and serves nothing, and can be destroyed again. Garbage collection deletes what is left
    in storage, and the output of its deploys, within a day. Raises Unavailable, NotFound, and Conflict if the app moved to another
    organization in the meantime.
    """
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        if (await apps.get(conn, app.id)).organization_id != app.organization_id:
            raise Conflict(f"{app.name} belongs to another organization now.", "Check it again before you destroy it.")
        await audit.record(conn, AuditAction.APP_DESTROY, by, app)
        await routes.remove(conn, app.id)
        await apps.set_current_release(conn, app.id, None)
    await route.confirm(panel, app.id)
    await panel.scheduler.remove(app.id)
    await panel.logs.forget(app.id, app.organization_id)
    await panel.repositories.remove(app.id)
    async with panel.transaction() as conn:
        stored = [(ObjectKind.SLUGS, digest) for digest in await slugs.own(conn, app.id)]
        stored += [(ObjectKind.SOURCES, digest) for digest in await builds.own_sources(conn, app.id)]
        await apps.remove(conn, app.id)
    with suppress(Unavailable):
        for kind, digest in stored:
            await panel.objects.delete(kind, digest)
