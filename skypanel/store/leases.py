"""Claims of jobs: a lease that the worker renews, and an attempt number as fencing token."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, DateTime, FromClause, Table, Update, func, select, update

from skypanel.domain.ids import WorkId
from skypanel.store.tables.apps import applications


def claimed(table: Table, work_id: WorkId, running: str, worker: str, lease_s: float) -> Update:
    """Claim a job for a worker."""
    return (
        update(table)
        .where(table.c.id == work_id)
        .values(
            state=running,
            attempt=table.c.attempt + 1,
            worker=worker,
            lease_until=until(lease_s),
            started_at=func.coalesce(table.c.started_at, func.clock_timestamp()),
        )
    )


def renewed(table: Table, work_id: WorkId, running: str, attempt: int, lease_s: float) -> Update:
    """Renew a lease, if this attempt still holds it."""
    return _held(table, work_id, running, attempt).values(lease_until=until(lease_s))


def finished(table: Table, work_id: WorkId, running: str, attempt: int, outcome: dict[str, Any]) -> Update:
    """Record the result of a job, if this attempt still holds the lease."""
    return _held(table, work_id, running, attempt).values(**outcome, lease_until=None, finished_at=func.clock_timestamp())


def lapsed(table: Table) -> ColumnElement[bool]:
    """Whether a lease has expired."""
    return table.c.lease_until < func.now()


def organization_load(table: Table, running: str, of: FromClause = applications) -> ColumnElement[int]:
    """Count the running jobs of the organization in the outer query's `of`; the fair queue sorts by this first."""
    work, owner = table.alias(), applications.alias()
    count = select(func.count()).select_from(work).join(owner, owner.c.id == work.c.app_id)
    own = owner.c.organization_id == of.c.organization_id
    return count.where(work.c.state == running, work.c.lease_until >= func.now(), own).correlate(of).scalar_subquery()


def _held(table: Table, work_id: WorkId, running: str, attempt: int) -> Update:
    return update(table).where(table.c.id == work_id, table.c.state == running, table.c.attempt == attempt)


def until(lease_s: float) -> ColumnElement[Any]:
    """Return when a lease that begins now ends."""
    # now() is the start of the transaction, which may have waited for a lock since then.
    return func.clock_timestamp(type_=DateTime(timezone=True)) + timedelta(seconds=lease_s)
