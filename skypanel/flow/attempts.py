"""Attempts to sign in, which are counted, so that nobody can try many."""

from skypanel.domain.account import Account
from skypanel.domain.audit import AuditAction
from skypanel.domain.ids import AttemptId
from skypanel.domain.password import WINDOW, Attempts
from skypanel.flow import audit
from skypanel.ports.panel import Panel
from skypanel.store import sign_in_attempts


async def begin(panel: Panel, key: str, origin: str, *, is_known: bool, most: int | None = None) -> tuple[AttemptId, Attempts]:
    """Count an attempt before it runs, so that concurrent attempts all count; return it with the counts before it.

    `key` is the digest of what is tried, `origin` the network of the request. `most` is a limit for the account, in place of the usual one.
    Raises Throttled.
    """
    async with panel.transaction() as conn:
        before = await sign_in_attempts.lately(conn, key, origin, WINDOW)
        before.check(is_known=is_known, most=most)
        return await sign_in_attempts.add(conn, key, origin), before


async def end(panel: Panel, attempt: AttemptId) -> None:
    """Forget an attempt, because it succeeded."""
    async with panel.transaction() as conn:
        await sign_in_attempts.remove(conn, attempt)


async def fail(panel: Panel, account: Account | None, before: Attempts, means: str | None = None) -> None:
    """Record a failed attempt, and whether it was the last one allowed. The input is not recorded, because it may contain a password."""
    async with panel.transaction() as conn:
        details = {} if means is None else {"means": means}
        await audit.record(conn, AuditAction.ACCOUNT_SIGN_IN_FAILED, None, None, organization=None, account=account, **details)
        if before.ends_here:
            await audit.record(conn, AuditAction.ACCOUNT_LOCK, None, account=account, minutes=WINDOW.total_seconds() // 60)
