"""The queue of builds and rollouts, for administrators."""

from collections.abc import Sequence
from dataclasses import dataclass

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account
from skypanel.domain.job import Job, JobCounts
from skypanel.ports.panel import Panel
from skypanel.store import jobs

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
