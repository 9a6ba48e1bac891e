"""A push: decide about it, store the source, build it, and wait until it is live."""

from dataclasses import replace
from datetime import datetime

from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.app import App, check_runs
from skypanel.domain.audit import AuditAction
from skypanel.domain.build import SourceKind
from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.ids import AppId
from skypanel.domain.push import Push, RefUpdate, ago, check_branch, check_object, check_repository, decide, deploy_refs, shown
from skypanel.domain.transcript import detail, heading
from skypanel.flow import apps as apps_flow
from skypanel.flow import audit, submodules
from skypanel.flow import build as build_flow
from skypanel.flow import source as source_flow
from skypanel.flow.configured import value
from skypanel.flow.follow import follow_build
from skypanel.ports.output import WriteLine
from skypanel.ports.panel import Panel
from skypanel.ports.repositories import Repositories
from skypanel.store import accounts, apps, builds, organizations

CREATES_APPS = "push_creates_apps"
DONE = {SourceKind.ARCHIVE: "sent an archive", SourceKind.REMOTE: "deployed its git URL"}
MAX_COMPARED = 20  # branches of one push whose histories are compared
MAX_RECORDED = 20


async def find(panel: Panel, by: Account, name: str, action: Action) -> App | None:
    """Return the app to fetch or push; None if the name is free and a push may create the app.

    Raises NotFound, Denied, Conflict if another organization's app has the name, Unpaid or Denied if the organization is suspended.
    """
    try:
        return await apps_flow.access(panel, by, name, action)
    except NotFound:
        if action is not Action.PUSH:
            raise
    async with panel.autocommit() as conn:
        taken = await apps.by_name(conn, name)
        creates = await value(conn, CREATES_APPS)
    if taken:
        raise Conflict(f"The name {name} is taken by another organization.", "Choose another name in your git remote.")
    if not creates:
        raise NotFound(f"There is no app {name}, and pushes do not create apps on this panel.", "Create it first.")
    await apps_flow.check_creator(panel, by, name)
    return None


async def receive(panel: Panel, push: Push, write: WriteLine) -> None:
    """Process a push. Returns if it may be accepted; raises SkyPanelError to reject it."""
    app = await _app(panel, push)
    size = await panel.repositories.size_bytes(push.app_id)
    if any(update.new for update in push.updates):
        check_repository(size)
    push = await _compared(panel.repositories, push)
    existing, head = await panel.repositories.refs(push.app_id), await panel.repositories.head(push.app_id)
    decision = decide(push.updates, deploy_refs(app), existing, head)
    for note in decision.notes:
        await write(detail(note))
    if decision.deploy is None or decision.deploy.new is None:
        await _check_objects(panel.repositories, push)
        await _record(panel, push, app or await _create(panel, push, write), size)
        return
    if app:
        await check_idle(panel, check_runs(app))
    arrival = source_flow.pushed(push, decision.deploy)
    complete = submodules.of_push(panel, push.app_id, app, push.account)
    source = await source_flow.store(panel.repositories, panel.objects, arrival, write, complete)
    await _check_objects(panel.repositories, push)
    app = app or await _create(panel, push, write)
    await panel.repositories.point_head(app.id, decision.deploy.ref)
    build = await build_flow.request(panel, app, push.account.id, source, write)
    await _record(panel, push, app, size)
    await follow_build(panel, build.id, write)


async def abandon(panel: Panel, push: Push, reason: str) -> bool:
    """Cancel the build of a push and write the reason to its output; False if there is no build to cancel."""
    return await build_flow.cancel(panel, push.app_id, reason)


async def forget(panel: Panel, app_id: AppId) -> None:
    """Remove the repository of a push that created no app."""
    async with panel.autocommit() as conn:
        known = await apps.existing(conn, [app_id])
    if not known:
        await panel.repositories.remove(app_id)


async def sweep(panel: Panel, before: datetime) -> None:
    """Remove leftovers of receivers that ended before then: incomplete pushes, and repositories without refs or app."""
    await panel.repositories.sweep(before)
    for app_id in await panel.repositories.unborn(before):
        await forget(panel, app_id)


async def _app(panel: Panel, push: Push) -> App | None:
    async with panel.autocommit() as conn:
        app = await apps.by_name(conn, push.name)
    if app and app.id != push.app_id:
        raise Conflict(f"The name {push.name} was taken a moment ago.", "Push again, or choose another name in your git remote.")
    return app


async def _check_objects(repositories: Repositories, push: Push) -> None:
    """Raise Invalid if any pushed object is too large, even on a branch that is not deployed: every reader would have to inflate it."""
    if push.quarantine:
        check_object(*await repositories.largest(push.app_id, push.quarantine))


async def _compared(repositories: Repositories, push: Push) -> Push:
    """Return the push with `forced` set on updates that rewrite a branch. Raises Invalid if a branch would not point to a commit."""

    async def compared(update: RefUpdate) -> RefUpdate:
        if update.new and update.is_branch:
            check_branch(update, await repositories.kind(push.app_id, update.new, push.quarantine))
        if not (update.old and update.new and update.rewrites_branch):
            return update
        return replace(update, forced=not await repositories.contains(push.app_id, update.old, update.new, push.quarantine))

    first = [await compared(update) for update in push.updates[:MAX_COMPARED]]
    return replace(push, updates=(*first, *push.updates[MAX_COMPARED:]))


async def check_idle(panel: Panel, app: App) -> None:
    """Raise Conflict if an earlier push is not live yet."""
    async with panel.autocommit() as conn:
        build = await builds.active(conn, app.id)
        active = build or await build_flow.rolling_out(conn, app.id)
        if active is None:
            return
        pusher = await accounts.get(conn, active.account_id) if active.account_id else None
    doing = "built" if build else "rolled out"
    did = DONE.get(build.source.kind, "pushed") if build else "pushed"
    who = pusher.email if pusher else "somebody"
    raise Conflict(
        f"{app.name} is being {doing}: {who} {did} {ago(panel.clock.now() - active.created_at)} ago.",
        "Push again when it has finished.",
    )


async def _record(panel: Panel, push: Push, app: App, size_bytes: int) -> None:
    """Record what was pushed, and the new size of the repository."""
    refs = {shown(update.label): update.new for update in push.updates[:MAX_RECORDED]}
    async with panel.transaction() as conn:
        await apps.set_repository_size(conn, app.id, size_bytes)
        await audit.record(conn, AuditAction.APP_PUSH, push.account, app, refs=refs, more=len(push.updates[MAX_RECORDED:]))


async def _create(panel: Panel, push: Push, write: WriteLine) -> App:
    app = await apps_flow.create(panel, push.account, push.name, app_id=push.app_id)
    async with panel.autocommit() as conn:
        organization = await organizations.get(conn, app.organization_id)
    await write(heading(f"Creating app {app.name} in {organization.name}"))
    return app
