"""Builds: from a source to a slug, and from a slug to a release."""

import logging
from functools import partial

from skypanel.domain import mails, transcript
from skypanel.domain.app import App, check_runs
from skypanel.domain.build import Build, BuildState, QueuePosition, Source, SourceKind
from skypanel.domain.errors import Conflict, NotFound, SkyPanelError, Unavailable
from skypanel.domain.ids import AccountId, AppId, BuildId
from skypanel.domain.notification import Notification
from skypanel.domain.output import build_stream
from skypanel.domain.release import Release, RolloutReason
from skypanel.domain.settings import indexes_of
from skypanel.domain.slug import STACK, Slug
from skypanel.domain.storage import ObjectKind
from skypanel.flow import compile as slug_compiler
from skypanel.flow import lease, notifications
from skypanel.flow.configured import value, values
from skypanel.flow.drain import drain
from skypanel.ports.database import Connection
from skypanel.ports.output import Output, WriteLine
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.store import apps, build_queue, builds, config_vars, formation, releases, rollouts, slugs

LOST_WORKER = "The worker stopped during this build."
PUSH_AGAIN = "Push again."
BUILDS_AT_ONCE = 3  # one more than the default limit of an organization
BUILDS_OF_ONE = "builds_per_organization"

log = logging.getLogger(__name__)


async def request(panel: Panel, app: App, account_id: AccountId | None, source: Source, write: WriteLine) -> Build:
    """Queue a build of a stored source. Raises Conflict while the app is being built or rolled out, and as `check_runs`."""
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        check_runs(await apps.get(conn, app.id))
        if await rolling_out(conn, app.id):
            raise Conflict(f"The last push to {app.name} is being rolled out.", "Push again when it is live.")
        build = await builds.add(conn, app.id, account_id, source)
    await panel.queue.wake(Job.BUILD)
    await write(transcript.heading(f"Building on the {STACK} stack"))
    return build


async def rolling_out(conn: Connection, app_id: AppId) -> Release | None:
    """Return the release of the last push while its rollout has not ended, or None."""
    newest = await rollouts.newest_release(conn, app_id)
    if newest is None or newest.state.finished:
        return None
    release = await releases.get(conn, newest.release_id)
    return release if release.build_id else None


async def work(panel: Panel, worker: str) -> None:
    """Claim builds in fair order and work on a few at a time, until there are none to claim."""

    async def claim() -> Build | None:
        async with panel.transaction() as conn:
            return await builds.claim(conn, worker, lease.LEASE_S, await _of_one(conn))

    await drain(claim, partial(_perform, panel), BUILDS_AT_ONCE)


async def turn(panel: Panel, build_id: BuildId) -> QueuePosition | None:
    """Return the position of a build in the queue, or None once it is no longer pending."""
    async with panel.autocommit() as conn:
        return await build_queue.turn(conn, build_id, await _of_one(conn))


async def _of_one(conn: Connection) -> int:
    return int(await value(conn, BUILDS_OF_ONE))


async def cancel(panel: Panel, app_id: AppId, reason: str, build_id: BuildId | None = None) -> bool:
    """Cancel an app's build and write the reason to its output; False if there is none. `build_id` restricts it to that build.

    The build's worker loses its lease, so it stops within seconds, and cannot create a release any more.
    """
    async with panel.transaction() as conn:
        stopped = await builds.stop(conn, app_id, reason, build_id)
    if stopped is not None:
        await _print_end(panel.output, stopped, reason)
    return stopped is not None


async def expire(panel: Panel) -> None:
    """Fail builds with expired leases, and say so in their output."""
    async with panel.transaction() as conn:
        expired = await builds.expire(conn, f"{LOST_WORKER} {PUSH_AGAIN}")
        for build in expired:
            await _tell(panel, conn, build)
    for build in expired:
        log.warning("build %s: its worker was lost", build.id)
        await _print_end(panel.output, build, LOST_WORKER, PUSH_AGAIN)


async def _print_end(output: Output, build: Build, *sentences: str) -> None:
    """End a build's output in place of its worker; later lines from that worker are dropped."""
    async with output.writer(build_stream(build.id), build.attempt + 1) as writer:
        for sentence in sentences:
            await writer.write(transcript.failure(sentence))


async def wake_pending(panel: Panel) -> None:
    """Repeat lost wake-ups."""
    async with panel.autocommit() as conn:
        waiting = (await builds.waiting(conn), await rollouts.waiting(conn))
    for job, count in zip((Job.BUILD, Job.ROLLOUT), waiting, strict=True):
        if count:
            await panel.queue.wake(job)


async def _perform(panel: Panel, build: Build) -> None:
    renew = partial(_renew, panel, build)
    try:
        async with panel.output.writer(build_stream(build.id), build.attempt) as output, lease.held(renew):
            try:
                await _build(panel, build, output.write)
            except SkyPanelError as error:
                for line in transcript.failures(error):
                    await output.write(line)
                await _fail(panel, build, error)
            except BaseException:
                await _fail(panel, build, Unavailable("The build was interrupted.", PUSH_AGAIN))
                raise
    except lease.LeaseLost as lost:
        log.warning("build %s: attempt %d lost its lease", build.id, build.attempt, exc_info=lost.__cause__)


async def _renew(panel: Panel, build: Build) -> bool:
    async with panel.transaction() as conn:
        return await builds.renew(conn, build.id, build.attempt, lease.LEASE_S)


async def _fail(panel: Panel, build: Build, error: SkyPanelError) -> None:
    async with panel.transaction() as conn:
        if await builds.finish(conn, build.id, build.attempt, BuildState.FAILED, error=str(error)):
            await _tell(panel, conn, build)


async def _tell(panel: Panel, conn: Connection, build: Build) -> None:
    """Tell who asked for a build that it failed."""
    app = await apps.get(conn, build.app_id)
    url = f"{panel.address.dashboard_url().rstrip('/')}/apps/{app.name}/deploys/{build.id}"
    who = [build.account_id] if build.account_id else []
    await notifications.send(panel, conn, Notification.DEPLOY_FAILED, who, lambda to: mails.deploy_failed(to, app.name, url))


async def _build(panel: Panel, build: Build, write: WriteLine) -> None:
    async with panel.autocommit() as conn:
        app = await apps.get(conn, build.app_id)
        config = await config_vars.head(conn, app.id)
        earlier = await builds.succeeded(conn, app.id, build.source.digest)
        chosen = await values(conn, panel.cipher)
    # A user who uploads an archive expects a build, even of a source that was built before.
    reused = await _reusable(panel, app, earlier, write) if earlier and build.source.kind is SourceKind.GIT else None
    if reused is not None:
        return await _release(panel, app, build, reused)
    variables = {key: panel.cipher.decrypt(secret) for key, secret in config.secrets.items()}
    made = await slug_compiler.compile_slug(
        panel, app, build, variables, write, indexes=indexes_of(chosen), runtime_mirror=str(chosen["runtime_mirror"])
    )
    return await _release(panel, app, build, made, is_new=True)


async def _reusable(panel: Panel, app: App, earlier: Build, write: WriteLine) -> Slug | None:
    """Return the slug of an earlier build of this source, if that was released but its push never succeeded.

    This happens if the receiver dies during a build: the ref was not updated, so the user pushes the same tree again. A tree whose push
    succeeded is built again.
    """
    if earlier.slug_id is None or app.current_release_id is None:
        return None
    try:
        if earlier.source.commit in (await panel.repositories.refs(app.id)).values():
            return None
    except NotFound:
        return None  # the repositories are on another machine: build it again
    async with panel.autocommit() as conn:
        current = await releases.get(conn, app.current_release_id)
        if current.build_id != earlier.id:
            return None
        slug = await slugs.get(conn, earlier.slug_id)
    if not await panel.objects.exists(ObjectKind.SLUGS, slug.digest):
        return None
    await write(
        transcript.heading(f"Reusing the build of {(earlier.source.commit or earlier.source.digest)[:7]}: this tree is already built")
    )
    return slug


async def _release(panel: Panel, app: App, build: Build, slug: Slug, *, is_new: bool = False) -> None:
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        try:
            await apps.get(conn, app.id)
        except NotFound:
            raise Conflict(f"{app.name} was destroyed during the build.") from None
        if is_new:
            await slugs.add(conn, slug)
        if not await builds.finish(conn, build.id, build.attempt, BuildState.SUCCEEDED, slug_id=slug.id):
            raise lease.LeaseLost
        await formation.fill(conn, app.id, tuple(slug.process_types))
        config = await config_vars.head(conn, app.id)
        release = await releases.add(
            conn,
            app.id,
            slug_id=slug.id,
            config_version_id=config.id,
            description=f"Deploy {build.source.label}",
            account_id=build.account_id,
            build_id=build.id,
        )
        await rollouts.add(conn, app.id, release.id, RolloutReason.RELEASE)
    await panel.queue.wake(Job.ROLLOUT)
