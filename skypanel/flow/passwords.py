"""Sign-in by e-mail address and password, and changes of passwords."""

from skypanel.domain.account import Account
from skypanel.domain.audit import AuditAction
from skypanel.domain.clients import network
from skypanel.domain.errors import Denied
from skypanel.domain.password import KNOWN_FOR, check_password
from skypanel.domain.two_factor import SignIn
from skypanel.flow import attempts, audit, sessions, two_factor
from skypanel.flow.digest import digest
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import accounts, known_addresses, sign_ins


async def sign_in(panel: Panel, email: str, password: str, address: str, browser: str = "") -> SignIn:
    """Begin a session, or a sign-in that waits for a code.

    Raises Denied for a wrong address or password, with the same message, and Throttled after too many attempts. `address` is where the
    request came from, `browser` its User-Agent header.
    """
    account = await prove(panel, email, password, address)
    async with panel.transaction() as conn:
        return await two_factor.admit(panel.clock, conn, account, address, browser)


async def change(  # noqa: PLR0917 - no part of the change has a default
    panel: Panel, account: Account, current: str, new: str, session: str, address: str
) -> None:
    """Change the password of a signed-in account that proves its current one, if it has one; its other sessions end.

    Raises Denied, Throttled, Invalid.
    """
    check_password(new)
    await confirm(panel, account, current, address)
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
        await store(conn, account, hashed, but)


async def store(conn: Connection, account: Account, hashed: str, but: str | None = None) -> None:
    """Store a password's hash in the caller's transaction, and end the account's sessions; the one with the secret `but` stays."""
    await accounts.set_password_hash(conn, account.id, hashed)
    await sign_ins.end_sessions(conn, account.id, but=None if but is None else digest(but))
    await audit.record(conn, AuditAction.ACCOUNT_SET_PASSWORD, account)


async def prove(panel: Panel, email: str, password: str, address: str) -> Account:
    """Return the account with this e-mail address and password. An unknown address takes as long as a wrong password.

    Raises Denied, and Throttled after too many attempts.
    """
    key, origin = digest(email.strip().lower()), network(address)
    async with panel.autocommit() as conn:
        is_known = await known_addresses.knows(conn, email.strip(), origin, KNOWN_FOR)
    attempt, before = await attempts.begin(panel, key, origin, is_known=is_known)
    async with panel.autocommit() as conn:
        account, kept = await accounts.credentials(conn, email.strip())
    if not await panel.passwords.verify(kept, password) or account is None:
        await attempts.fail(panel, account, before)
        raise Denied("The e-mail address or the password is wrong.", "Check both, or sign in with a one-time link.")
    await attempts.end(panel, attempt)
    async with panel.autocommit() as conn:
        await sessions.check_enabled(conn, account)
    return account


async def confirm(panel: Panel, account: Account, password: str, address: str) -> None:
    """Check the password of a signed-in account; one without a password needs none.

    Attempts to sign in do not count, so that nobody else can keep the owner from it. Raises Denied and Throttled.
    """
    async with panel.autocommit() as conn:
        kept = (await accounts.credentials(conn, account.email))[1]
    if kept is None:
        return
    attempt, before = await attempts.begin(panel, digest(f"signed in {account.id}"), network(address), is_known=True)
    if not await panel.passwords.verify(kept, password):
        await attempts.fail(panel, account, before)
        raise Denied("This is not your current password.", "Type it again.")
    await attempts.end(panel, attempt)
