"""The queue of builds and rollouts, for administrators."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict
from skypanel.domain.ids import BuildId, RolloutId
from skypanel.domain.job import Job, JobCounts, JobKind
from skypanel.flow import audit, rollout, upload
from skypanel.ports.panel import Panel
from skypanel.store import apps, builds, jobs, rollouts

MAX_SHOWN = 200


@dataclass(frozen=True)
class Jobs:
    """What runs and waits, at most MAX_SHOWN of it, and how many there are in all."""

    shown: Sequence[Job]
    counts: JobCounts


async def overview(panel: Panel, by: Account) -> Jobs:
    """Return the builds and rollouts that run or wait: those that run first, then the oldest. Raises Denied."""
    check_admin(by)
    async with panel.autocommit() as conn:
        return Jobs(await jobs.open_(conn, MAX_SHOWN), await jobs.counts(conn))


async def cancel(panel: Panel, by: Account, kind: JobKind, job_id: UUID) -> App:
    """Cancel a build or rollout of any app, and return the app. What served before serves on.

    Raises Denied, NotFound, and Conflict if it has ended.
    """
    check_admin(by)
    async with panel.autocommit() as conn:
        job = await builds.get(conn, BuildId(job_id)) if kind is JobKind.BUILD else await rollouts.get(conn, RolloutId(job_id))
        app = await apps.get(conn, job.app_id)
    if not await (_cancel_build if kind is JobKind.BUILD else _cancel_rollout)(panel, app, job_id, by):
        raise Conflict(f"This {kind} of {app.name} has ended already.", "Check the queue again.")
    return app


async def _cancel_build(panel: Panel, app: App, job_id: UUID, by: Account) -> bool:
    return await upload.cancel(panel, app, BuildId(job_id), by)


async def _cancel_rollout(panel: Panel, app: App, job_id: UUID, by: Account) -> bool:
    if not await rollout.cancel(panel, RolloutId(job_id), f"{by.email} cancelled this deploy."):
        return False
    async with panel.transaction() as conn:
        await audit.record(conn, AuditAction.RELEASE_CANCEL, by, app, rollout=str(job_id))
    return True
