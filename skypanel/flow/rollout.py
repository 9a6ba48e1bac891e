"""Rollouts: start the new dynos, wait for them, switch the route, retire the old dynos."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from skypanel.domain import mails, transcript
from skypanel.domain.app import App, check_runs
from skypanel.domain.errors import Invalid, SkyPanelError, Unavailable
from skypanel.domain.ids import ReleaseId, RolloutId
from skypanel.domain.log import Source, excerpt
from skypanel.domain.manifest import BOOT_TIMEOUT_S, RELEASE_PHASE, WEB, Dyno, Manifest, process_notes
from skypanel.domain.notification import Notification
from skypanel.domain.output import rollout_stream
from skypanel.domain.release import Release, ReleaseState, Rollout, RolloutReason, RolloutState
from skypanel.flow import lease, notifications, route
from skypanel.flow.cancellation import until_cancelled
from skypanel.flow.drain import drain
from skypanel.flow.manifest import manifest_of
from skypanel.ports.database import Connection
from skypanel.ports.output import WriteLine
from skypanel.ports.panel import Panel
from skypanel.ports.queue import Job
from skypanel.ports.scheduler import Scheduler, Unready
from skypanel.store import apps, releases, rollouts, routes

ROLLOUTS_AT_ONCE = 8
RELEASE_PHASE_TIMEOUT_S = 15 * 60.0
MAX_ATTEMPTS = 5

log = logging.getLogger(__name__)


class Superseded(Exception):
    """A newer release of the app waits, so this one need not go live."""


async def work(panel: Panel, worker: str) -> None:
    """Claim rollouts and run several concurrently, until none waits; one with an expired lease is resumed."""

    async def claim() -> Rollout | None:
        async with panel.transaction() as conn:
            return await rollouts.claim(conn, worker, lease.LEASE_S)

    await drain(claim, partial(_perform, panel), ROLLOUTS_AT_ONCE)


async def cancel(panel: Panel, rollout_id: RolloutId, reason: str) -> bool:
    """Cancel a rollout, and return whether that was possible. What served before serves on.

    A pending one ends at once. The worker of a running one undoes it within seconds, unless it has switched the route already.
    """
    async with panel.transaction() as conn:
        cancelled = await rollouts.cancel(conn, rollout_id, reason)
        if cancelled is not None and cancelled.state.finished:
            await releases.finish(conn, cancelled.release_id, ReleaseState.FAILED, error=reason)
    if cancelled is not None and cancelled.state.finished:
        async with panel.output.writer(rollout_stream(rollout_id), cancelled.attempt + 1) as output:
            await output.write(transcript.failure(reason))
    return cancelled is not None


async def _perform(panel: Panel, rollout: Rollout) -> None:
    renew = partial(_renew, panel, rollout)
    try:
        async with panel.output.writer(rollout_stream(rollout.id), rollout.attempt) as output, lease.held(renew):
            try:
                _check_attempts(rollout)
                await _roll_out(panel, rollout, output.write)
            except Superseded:
                await _end_superseded(panel, rollout, output.write)
            except SkyPanelError as error:
                await _fail(panel, rollout, error, output.write)
    except lease.LeaseLost as lost:
        log.warning("rollout %s: attempt %d lost its lease", rollout.id, rollout.attempt, exc_info=lost.__cause__)
    # Another rollout of the same app may have waited for this one to end.
    await panel.queue.wake(Job.ROLLOUT)


async def _roll_out(panel: Panel, rollout: Rollout, write: WriteLine) -> None:
    async with panel.autocommit() as conn:
        app = await apps.get(conn, rollout.app_id)
        if rollout.reason is RolloutReason.RELEASE:
            check_runs(app)
        release = await releases.get(conn, _target(rollout, app))
        manifest = _wanted(await manifest_of(panel.cipher, conn, app, release), rollout)
        before = await _serving(panel, conn, app) if rollout.reason is RolloutReason.RELEASE else None
    # Only until the route is switched: then the old dynos begin to stop, so there is nothing to go back to.
    async with until_cancelled(partial(_cancellation, panel, rollout)):
        await panel.scheduler.stage(app, manifest.slug_digest)
        if rollout.reason is RolloutReason.RELEASE:
            await _run_release_phase(panel.scheduler, app, manifest, write)
            await write(transcript.heading("Launching..."))
        await _check_superseded(panel, rollout)
        dynos = await _launch(panel, app, release, manifest, write)
        await _check_superseded(panel, rollout)
    await _switch(panel, rollout, _web_endpoints(dynos))
    await panel.scheduler.retire(manifest)
    if rollout.reason is RolloutReason.RELEASE:
        await _print_success(panel, app, release, dynos, write)
        for line in process_notes(manifest, before):
            await write(transcript.detail(line))
    await _end(panel, rollout, RolloutState.SUCCEEDED)


async def _launch(panel: Panel, app: App, release: Release, manifest: Manifest, write: WriteLine) -> Sequence[Dyno]:
    await panel.scheduler.launch(manifest)
    try:
        return await panel.scheduler.wait_ready(manifest, BOOT_TIMEOUT_S)
    except Unready as unready:
        await _print_last_lines(panel.scheduler, manifest, unready.dyno, write)
        if unready.line:
            with suppress(Unavailable):
                await panel.logs.write(app, unready.line, Source.SYSTEM, unready.dyno)
        raise Invalid(f"{unready.dyno} of v{release.version} {unready.reason}") from None


async def _cancellation(panel: Panel, rollout: Rollout) -> str | None:
    async with panel.autocommit() as conn:
        return await rollouts.cancellation(conn, rollout.id)


async def _end_superseded(panel: Panel, rollout: Rollout, write: WriteLine) -> None:
    await write(transcript.detail("A newer release supersedes this one."))
    await _undo(panel, rollout)
    await _end(panel, rollout, RolloutState.SUPERSEDED)


async def _fail(panel: Panel, rollout: Rollout, error: SkyPanelError, write: WriteLine) -> None:
    for line in transcript.failures(error):
        await write(line)
    await _undo(panel, rollout)
    async with panel.autocommit() as conn:
        overtaken = rollout.reason is RolloutReason.RELEASE and await rollouts.superseded(conn, rollout)
    # The newer release carries the same slug, so the push may still succeed.
    await _end(panel, rollout, RolloutState.SUPERSEDED if overtaken else RolloutState.FAILED, str(error))


def _target(rollout: Rollout, app: App) -> ReleaseId:
    """Return the release to converge on: the new one, or else the app's current release."""
    if rollout.reason is RolloutReason.RELEASE or app.current_release_id is None:
        return rollout.release_id
    return app.current_release_id


def _wanted(manifest: Manifest, rollout: Rollout) -> Manifest:
    """Return the manifest to converge on: a restart needs dynos of the next generation."""
    return replace(manifest, generation=manifest.generation + 1) if rollout.reason is RolloutReason.RESTART else manifest


async def _run_release_phase(scheduler: Scheduler, app: App, manifest: Manifest, write: WriteLine) -> None:
    command = manifest.command(RELEASE_PHASE)
    if command is None:
        return
    await write(transcript.heading("Running release command..."))
    exit_ = await scheduler.run(manifest, command, write, RELEASE_PHASE_TIMEOUT_S, process_type=RELEASE_PHASE)
    if not exit_.ok:
        raise Invalid(
            f"The release command failed: {exit_.reason or f'it exited with status {exit_.code}'}.",
            f"{app.what_serves} Fix the command and push again.",
        )


def _check_attempts(rollout: Rollout) -> None:
    if rollout.attempt > MAX_ATTEMPTS:
        raise Unavailable(f"The rollout was tried {MAX_ATTEMPTS} times.", "Ask an administrator to look at the worker's log.")


async def _check_superseded(panel: Panel, rollout: Rollout) -> None:
    async with panel.autocommit() as conn:
        if rollout.reason is RolloutReason.RELEASE and await rollouts.superseded(conn, rollout):
            raise Superseded


def _web_endpoints(dynos: Sequence[Dyno]) -> tuple[str, ...]:
    return tuple(dyno.endpoint for dyno in dynos if dyno.key.process_type == WEB and dyno.endpoint)


async def _switch(panel: Panel, rollout: Rollout, endpoints: tuple[str, ...]) -> None:
    """Route the app's hostnames to these endpoints, and return once the proxy does so.

    Raises LeaseLost if another worker has the rollout.
    """
    async with panel.transaction() as conn:
        # The lock makes this see the app's current name, which may have changed since the rollout began.
        await apps.lock(conn, rollout.app_id)
        if not await rollouts.renew(conn, rollout.id, rollout.attempt, lease.LEASE_S):
            raise lease.LeaseLost
        app = await apps.get(conn, rollout.app_id)
        await routes.put(conn, app.id, await route.hosts(conn, panel.address, app), endpoints)
    await route.confirm(panel, rollout.app_id)


async def _end(panel: Panel, rollout: Rollout, state: RolloutState, error: str | None = None) -> None:
    """Record the result of a rollout and of its release. Raises LeaseLost if another worker has the rollout."""
    async with panel.transaction() as conn:
        if not await rollouts.finish(conn, rollout.id, rollout.attempt, state, error=error):
            raise lease.LeaseLost
        if rollout.reason is RolloutReason.RELEASE:
            await releases.finish(conn, rollout.release_id, ReleaseState(state.value), error=error)
            if state is RolloutState.SUCCEEDED:
                await apps.set_current_release(conn, rollout.app_id, rollout.release_id)
            elif state is RolloutState.FAILED and await rollouts.cancellation(conn, rollout.id) is None:
                await _tell(panel, conn, rollout)
        elif rollout.reason is RolloutReason.RESTART and state is RolloutState.SUCCEEDED:
            await apps.restart(conn, rollout.app_id)


async def _tell(panel: Panel, conn: Connection, rollout: Rollout) -> None:
    """Tell who made a release that it failed."""
    app, release = await apps.get(conn, rollout.app_id), await releases.get(conn, rollout.release_id)
    url = f"{panel.address.dashboard_url().rstrip('/')}/apps/{app.name}/deploys/{release.build_id or release.id}"
    who = [release.account_id] if release.account_id else []
    await notifications.send(panel, conn, Notification.DEPLOY_FAILED, who, lambda to: mails.deploy_failed(to, app.name, url))


async def _undo(panel: Panel, rollout: Rollout) -> None:
    """Undo a failed rollout: restore the route of the current release, and stop all other dynos.

    Reconciliation later undoes what cannot be undone now.
    """
    try:
        manifest, endpoints = await _before(panel, rollout)
        with suppress(Unavailable):  # the proxy reads the route from the database as soon as it responds
            await _switch(panel, rollout, endpoints)
        await panel.scheduler.retire(manifest)
    except SkyPanelError:
        log.exception("rollout %s cannot be undone", rollout.id)


async def _serving(panel: Panel, conn: Connection, app: App) -> Manifest | None:
    """Return the manifest of the current release, or None."""
    if app.current_release_id is None:
        return None
    return await manifest_of(panel.cipher, conn, app, await releases.get(conn, app.current_release_id))


async def _before(panel: Panel, rollout: Rollout) -> tuple[Manifest, tuple[str, ...]]:
    """Return the manifest of the current release, and the endpoints of its dynos that still run."""
    async with panel.autocommit() as conn:
        app = await apps.get(conn, rollout.app_id)
        manifest = await _serving(panel, conn, app) or Manifest.empty(app)
        current_route = await routes.get(conn, app.id)
    wanted = set(manifest.dynos())
    serving = _web_endpoints([dyno for dyno in await panel.scheduler.dynos(app.id) if dyno.key in wanted])
    kept = tuple(endpoint for endpoint in serving if current_route and endpoint in current_route.endpoints)
    return manifest, kept or serving


async def _print_last_lines(scheduler: Scheduler, manifest: Manifest, dyno: str, write: WriteLine) -> None:
    await write(transcript.detail(f"The last lines of {dyno}:"))
    for key in manifest.dynos():
        if key.name == dyno:
            for line in excerpt(await scheduler.last_lines(key)):
                await write(transcript.detail(line))


async def _print_success(panel: Panel, app: App, release: Release, dynos: Sequence[Dyno], write: WriteLine) -> None:
    await write(transcript.detail(f"Released v{release.version}"))
    if any(dyno.key.process_type == WEB for dyno in dynos):
        await write(transcript.detail(f"{panel.address.url(app.name)} deployed to SkyPanel"))
        await write("")
        await write("Verifying deploy... done.")


async def _renew(panel: Panel, rollout: Rollout) -> bool:
    async with panel.transaction() as conn:
        return await rollouts.renew(conn, rollout.id, rollout.attempt, lease.LEASE_S)
