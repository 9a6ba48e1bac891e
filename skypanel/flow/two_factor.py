"""Two-factor sign-in: set it up, ask for a code, and turn it off."""

import secrets
from base64 import b32encode
from collections.abc import Sequence

from skypanel.domain.account import Account
from skypanel.domain.audit import AuditAction
from skypanel.domain.clients import network
from skypanel.domain.errors import CodeNeeded, Conflict, Denied
from skypanel.domain.two_factor import (
    CODE_LIFE,
    MOST_OF_CODES,
    RECOVERY_CODE_BYTES,
    RECOVERY_CODES,
    Setup,
    SignIn,
    TwoFactor,
    grouped,
    is_of_app,
    plain,
)
from skypanel.flow import attempts, audit, sessions
from skypanel.flow.digest import digest
from skypanel.ports.clock import Clock
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import two_factor

WRONG = "Look at the app for the current code, or use a recovery code. Each code works once."


async def show(panel: Panel, account: Account) -> TwoFactor:
    """Return whether an account has two-factor sign-in."""
    async with panel.autocommit() as conn:
        stored = await two_factor.get(conn, account.id)
        return TwoFactor(stored.since if stored else None, await two_factor.count_codes(conn, account.id))


async def begin(panel: Panel, account: Account) -> None:
    """Make a secret for an app, in place of one that was not confirmed. Raises Conflict if two-factor sign-in is on."""
    async with panel.transaction() as conn:
        if not await two_factor.put(conn, account.id, panel.cipher.encrypt(panel.codes.secret())):
            raise Conflict("Two-factor sign-in is on already.", "Turn it off first, to use another app.")


async def setup(panel: Panel, account: Account) -> Setup | None:
    """Return what an app is given to make codes; None if nothing is to be confirmed. Once confirmed, the secret is never shown again."""
    async with panel.autocommit() as conn:
        stored = await two_factor.get(conn, account.id)
    if stored is None or stored.since is not None:
        return None
    return panel.codes.setup(panel.cipher.decrypt(stored.secret), account.email)


async def confirm(panel: Panel, account: Account, code: str, address: str) -> Sequence[str]:
    """Turn two-factor sign-in on by a first code, and return the recovery codes, which are never shown again.

    Raises Denied for a wrong code, Throttled, and Conflict if there is nothing to confirm.
    """
    if await setup(panel, account) is None:
        raise Conflict("There is nothing to confirm.", "Begin to set up two-factor sign-in again.")
    await _check(panel, account, code, address, is_known=True)
    async with panel.transaction() as conn:
        await two_factor.confirm(conn, account.id)
        await audit.record(conn, AuditAction.TWO_FACTOR_ENABLE, account)
        return await _new_codes(conn, account)


async def renew_codes(panel: Panel, account: Account, code: str, address: str) -> Sequence[str]:
    """Replace the recovery codes, by a code, and return the new ones. Raises Denied, Throttled, and Conflict if it is off."""
    await _check_on(panel, account)
    await _check(panel, account, code, address, is_known=True)
    async with panel.transaction() as conn:
        await audit.record(conn, AuditAction.TWO_FACTOR_CODES, account)
        return await _new_codes(conn, account)


async def disable(panel: Panel, account: Account, code: str, address: str) -> None:
    """Turn two-factor sign-in off, by a code. Raises Denied, Throttled, and Conflict if it is off."""
    await _check_on(panel, account)
    await _check(panel, account, code, address, is_known=True)
    async with panel.transaction() as conn:
        await two_factor.remove(conn, account.id)
        await audit.record(conn, AuditAction.TWO_FACTOR_DISABLE, account)


async def admit(clock: Clock, conn: Connection, account: Account, address: str, browser: str) -> SignIn:
    """Begin a session for somebody who proved a first factor, or a sign-in that waits for the second."""
    stored = await two_factor.get(conn, account.id)
    if stored is None or stored.since is None:
        return SignIn(await sessions.begin(clock, conn, account, address, browser))
    secret = secrets.token_urlsafe(32)
    await two_factor.add_pending(conn, account.id, digest(secret), clock.now() + CODE_LIFE)
    return SignIn(secret, needs_code=True)


async def finish(panel: Panel, pending: str, code: str, address: str, browser: str) -> str:
    """Return the session of a sign-in that waited for a code. Raises CodeNeeded for a wrong one, Throttled, and Denied if it is over."""
    async with panel.autocommit() as conn:
        account = await two_factor.pending(conn, digest(pending))
    if account is None:
        raise Denied("This sign-in took too long.", "Sign in again.")
    await _check(panel, account, code, address, is_known=False)
    async with panel.transaction() as conn:
        await two_factor.end_pending(conn, account.id)
        return await sessions.begin(panel.clock, conn, account, address, browser)


async def require(panel: Panel, account: Account, code: str, address: str) -> None:
    """Check the code of somebody who proved a password for one call. Raises CodeNeeded without a good one, and Throttled."""
    if (await show(panel, account)).is_on:
        if not code:
            raise CodeNeeded("This account has two-factor sign-in.", "Send the code in the header Heroku-Two-Factor-Code.")
        await _check(panel, account, code, address, is_known=False)


async def remove(conn: Connection, account: Account, by: Account) -> None:
    """Turn an account's two-factor sign-in off without a code, in the caller's transaction. The caller checks that `by` may."""
    if await two_factor.remove(conn, account.id):
        await audit.record(conn, AuditAction.TWO_FACTOR_DISABLE, by, account=account)


async def _check_on(panel: Panel, account: Account) -> None:
    if not (await show(panel, account)).is_on:
        raise Conflict("Two-factor sign-in is off.", "Set it up first.")


async def _check(panel: Panel, account: Account, code: str, address: str, *, is_known: bool) -> None:
    """Use up a code of the app or a recovery code. Raises CodeNeeded for a wrong one, and Throttled."""
    key = digest(f"second factor {account.id}")
    attempt, before = await attempts.begin(panel, key, network(address), is_known=is_known, most=MOST_OF_CODES)
    async with panel.transaction() as conn:
        is_good = await _use(panel, conn, account, plain(code))
    if not is_good:
        await attempts.fail(panel, account, before, means="a code")
        raise CodeNeeded("This code is wrong, or was used already.", WRONG)
    await attempts.end(panel, attempt)


async def _use(panel: Panel, conn: Connection, account: Account, code: str) -> bool:
    if not is_of_app(code):
        return await two_factor.use_code(conn, account.id, digest(code))
    stored = await two_factor.get(conn, account.id)
    step = panel.codes.step(panel.cipher.decrypt(stored.secret), code, panel.clock.now()) if stored else None
    return step is not None and await two_factor.use_step(conn, account.id, step)


async def _new_codes(conn: Connection, account: Account) -> Sequence[str]:
    codes = [b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    await two_factor.replace_codes(conn, account.id, [digest(code) for code in codes])
    return [grouped(code) for code in codes]
