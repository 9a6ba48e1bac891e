"""Deploys that are done again, and deploys that are cancelled."""

from skypanel.domain.account import Account
from skypanel.domain.app import App, check_runs
from skypanel.domain.audit import AuditAction
from skypanel.domain.build import Build
from skypanel.domain.deploy import Deploy
from skypanel.domain.errors import Conflict, Unavailable
from skypanel.domain.release import Release
from skypanel.domain.storage import ObjectKind
from skypanel.flow import audit, receive, upload
from skypanel.flow import build as build_flow
from skypanel.flow import deploys as deploys_flow
from skypanel.flow import rollout as rollout_flow
from skypanel.flow.release import derive
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import apps, config_vars, releases, slugs


async def redeploy(panel: Panel, deploy: Deploy, by: Account) -> Deploy:
    """Build the source of a deploy again. Without a build, release its slug again. Both take the config vars of now.

    Raises Unavailable if the source or slug is no longer in storage, Conflict as for a push, and as `check_runs`.
    """
    if deploy.build is not None:
        return await _build_again(panel, deploy.app, deploy.build, by)
    if deploy.release is None:
        raise Conflict("There is nothing to deploy again.", "Push to the app.")
    return await _release_again(panel, deploy.app, deploy.release, by)


async def cancel(panel: Panel, deploy: Deploy, by: Account) -> None:
    """Cancel a deploy that is under way, whatever it is doing. What served before serves on. Raises Conflict if it has ended.

    The worker stops within seconds. If it has switched the route already, the deploy goes live nevertheless.
    """
    build = deploy.build
    if build is not None and await upload.cancel(panel, deploy.app, build.id, by):
        return
    if build is not None and deploy.rollout is None:
        deploy = await deploys_flow.of_build(panel, deploy.app, build.id)
    release, rollout = deploy.release, deploy.rollout
    if release is None or rollout is None or not await rollout_flow.cancel(panel, rollout.id, f"{by.email} cancelled this deploy."):
        raise Conflict("This deploy has ended.", "Roll back if it is live and should not be.")
    async with panel.transaction() as conn:
        await audit.record(conn, AuditAction.RELEASE_CANCEL, by, deploy.app, version=release.version)


async def _build_again(panel: Panel, app: App, build: Build, by: Account) -> Deploy:
    if not await panel.objects.exists(ObjectKind.SOURCES, build.source.digest):
        raise Unavailable("The source of this deploy is no longer in storage.", "Push its commit again, or send the archive again.")
    await receive.check_idle(panel, app)
    made = await build_flow.request(panel, app, by.id, build.source, _discard)
    async with panel.transaction() as conn:
        await audit.record(conn, AuditAction.BUILD_REQUEST, by, app, build=str(made.id), source=build.source.kind, again=str(build.id))
    return Deploy(app, made, None, None)


async def _release_again(panel: Panel, app: App, target: Release, by: Account) -> Deploy:
    if target.slug_id is None:
        raise Conflict(f"v{target.version} has no slug.", "Push to the app.")
    async with panel.autocommit() as conn:
        check_runs(await apps.get(conn, app.id))
        slug = await slugs.get(conn, target.slug_id)
    if not await panel.objects.exists(ObjectKind.SLUGS, slug.digest):
        raise Unavailable(f"The slug of v{target.version} is not in storage.", "Push its commit again.")
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        config = await config_vars.head(conn, app.id)
        rollout = await derive(conn, app, slug_id=slug.id, config=config, description=f"Redeploy v{target.version}", by=by)
        await audit.record(conn, AuditAction.RELEASE_REDEPLOY, by, app, version=target.version)
        release = await releases.get(conn, rollout.release_id)
    await panel.queue.wake(Job.ROLLOUT)
    return Deploy(app, None, release, rollout)


async def _discard(_line: str) -> None:
    """Drop a line for the pusher: the page of the deploy shows its output."""
