"""Sign-in by e-mail address and password, and changes of passwords."""

import secrets

from skypanel.domain.account import Account
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Denied
from skypanel.domain.ids import AttemptId
from skypanel.domain.password import WINDOW, Attempts, check_password, network
from skypanel.flow import audit
from skypanel.flow.accounts import SESSION_LIFE, digest
from skypanel.ports.panel import Panel
from skypanel.store import accounts, sign_in_attempts, sign_ins


async def sign_in(panel: Panel, email: str, password: str, address: str) -> str:
    """Return a session token. Raises Denied for a wrong address or password, with the same message, and Throttled after too many attempts.

    `address` is where the request came from.
    """
    account = await prove(panel, email, password, address)
    session = secrets.token_urlsafe(32)
    async with panel.transaction() as conn:
        await sign_ins.add_session(conn, account.id, digest(session), panel.clock.now() + SESSION_LIFE)
        await audit.record(conn, AuditAction.ACCOUNT_SIGN_IN, account)
    return session


async def change(  # noqa: PLR0917 - no part of the change has a default
    panel: Panel, account: Account, current: str, new: str, session: str, address: str
) -> None:
    """Change the password of a signed-in account that proves its current one, if it has one; its other sessions end.

    Raises Denied, Throttled, Invalid.
    """
    check_password(new)
    if await is_set(panel, account):
        await prove(panel, account.email, current, address)
    await _set(panel, account, new, but=session)


async def reset(panel: Panel, account: Account, new: str) -> None:
    """Set an account's password and end all its sessions. Raises Invalid."""
    check_password(new)
    await _set(panel, account, new)


async def is_set(panel: Panel, account: Account) -> bool:
    """Whether the account has a password."""
    async with panel.autocommit() as conn:
        return (await accounts.credentials(conn, account.email))[1] is not None


async def _set(panel: Panel, account: Account, new: str, but: str | None = None) -> None:
    hashed = await panel.passwords.hash(new)
    async with panel.transaction() as conn:
        await accounts.set_password_hash(conn, account.id, hashed)
        await sign_ins.end_sessions(conn, account.id, but=None if but is None else digest(but))
        await audit.record(conn, AuditAction.ACCOUNT_SET_PASSWORD, account)


async def prove(panel: Panel, email: str, password: str, address: str) -> Account:
    """Return the account with this e-mail address and password. An unknown address takes as long as a wrong password.

    Raises Denied, and Throttled after too many attempts.
    """
    attempt, before = await _begin(panel, email, address)
    async with panel.autocommit() as conn:
        account, kept = await accounts.credentials(conn, email.strip())
    if not await panel.passwords.verify(kept, password) or account is None:
        await _fail(panel, account, before)
        raise Denied("No account here has this password.", "Look for typing errors, or sign in by a one-time link.")
    async with panel.transaction() as conn:
        await sign_in_attempts.remove(conn, attempt)
    return account


async def _begin(panel: Panel, email: str, address: str) -> tuple[AttemptId, Attempts]:
    """Count an attempt before it runs, so that concurrent attempts all count; return it with the counts before it."""
    account, origin = digest(email.strip().lower()), network(address)
    async with panel.transaction() as conn:
        before = await sign_in_attempts.lately(conn, account, origin, WINDOW)
        before.check()
        return await sign_in_attempts.add(conn, account, origin), before


async def _fail(panel: Panel, account: Account | None, before: Attempts) -> None:
    """Record a failed attempt, and whether it was the last one allowed. The input is not recorded, because it may contain a password."""
    async with panel.transaction() as conn:
        await audit.record(conn, AuditAction.ACCOUNT_SIGN_IN_FAILED, None, account=account)
        if before.ends_here:
            await audit.record(conn, AuditAction.ACCOUNT_LOCK, None, account=account, minutes=WINDOW.total_seconds() // 60)
