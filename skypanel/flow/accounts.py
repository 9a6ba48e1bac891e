"""Sign-in, SSH keys and API tokens.

An administrator may act as `by` on another account; the audit log records this.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from skypanel.domain import rate
from skypanel.domain.access import AccountAction, Action, Scope, check_account, covers
from skypanel.domain.account import Account, Key, PublicKey, Token
from skypanel.domain.audit import AuditAction
from skypanel.domain.clients import network
from skypanel.domain.errors import Denied
from skypanel.domain.ids import TokenId
from skypanel.domain.life import LOGIN_LINK_LIFE
from skypanel.domain.password import MOST_OF_ADDRESS, WINDOW
from skypanel.domain.two_factor import SignIn
from skypanel.flow import audit, two_factor
from skypanel.flow.digest import digest
from skypanel.ports.clock import Clock
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import keys, sign_in_attempts, sign_ins, tokens


@dataclass(frozen=True)
class Caller:
    """Who calls with an API token, and how many calls the token has left."""

    account: Account
    token_id: TokenId
    scope: str
    remaining: int

    def check(self, action: Action | AccountAction) -> None:
        """Raise Denied if the token's scope does not cover an action."""
        _check_scope(self.scope, action)


async def login_link(panel: Panel, account: Account) -> str:
    """Return the path of a link that signs the account in once, within a day."""
    async with panel.transaction() as conn:
        return await add_link(panel.clock, conn, account)


async def add_link(clock: Clock, conn: Connection, account: Account) -> str:
    """Add such a link in the caller's transaction, and return its path."""
    token = secrets.token_urlsafe(32)
    await sign_ins.add_link(conn, account.id, digest(token), clock.now() + LOGIN_LINK_LIFE)
    return f"/login?token={token}"


async def sign_in_by_link(panel: Panel, token: str, address: str, browser: str = "") -> SignIn:
    """Use a login link once, and begin a session or a sign-in that waits for a code. Raises Denied if it is used or expired.

    `address` is where the request came from, `browser` its User-Agent header.
    """
    async with panel.transaction() as conn:
        account = await sign_ins.use_link(conn, digest(token))
        if account is not None:
            return await two_factor.admit(panel.clock, conn, account, address, browser)
        await _note_bad_link(conn, network(address))
    raise Denied(
        "This link has already been used or has expired.",
        "Sign in with your password, or ask an administrator for a new link: `skypanel accounts invite` with your address.",
    )


async def _note_bad_link(conn: Connection, origin: str) -> None:
    """Record an attempt with an invalid link, up to a limit for each address, so that an attacker cannot fill the log."""
    lately = await sign_in_attempts.lately(conn, digest("a link"), origin, WINDOW)
    if lately.of_address < MOST_OF_ADDRESS:
        await sign_in_attempts.add(conn, digest("a link"), origin)
        await audit.record(conn, AuditAction.ACCOUNT_SIGN_IN_FAILED, None, means="a link")


async def session_account(panel: Panel, session: str) -> Account | None:
    """Return the account of a valid session, or None."""
    async with panel.autocommit() as conn:
        return await sign_ins.session(conn, digest(session))


async def sign_out(panel: Panel, session: str) -> None:
    """End a session."""
    async with panel.transaction() as conn:
        account = await sign_ins.session(conn, digest(session))
        await sign_ins.end_session(conn, digest(session))
        if account is not None:
            await audit.record(conn, AuditAction.ACCOUNT_SIGN_OUT, account)


async def pusher(panel: Panel, fingerprint: str) -> Account | None:
    """Return the account whose SSH key has this fingerprint, or None, and record the use of the key."""
    async with panel.transaction() as conn:
        return await keys.owner(conn, fingerprint)


async def keys_of(panel: Panel, account: Account) -> Sequence[Key]:
    """Return the account's SSH keys."""
    async with panel.autocommit() as conn:
        return await keys.of(conn, account.id)


async def add_key(panel: Panel, account: Account, key: PublicKey, *, by: Account) -> Key:
    """Add an SSH key to an account; if it has the key already, nothing changes. Raises Denied, and Conflict for another account's key."""
    check_account(by, account)
    async with panel.transaction() as conn:
        held = await keys.get(conn, account.id, key.fingerprint)
        if held is not None:
            return held
        added = await keys.add(conn, account.id, key.text, key.fingerprint, key.name)
        await audit.record(conn, AuditAction.KEY_ADD, by, fingerprint=key.fingerprint, account=account)
    return added


async def remove_key(panel: Panel, account: Account, fingerprint: str, *, by: Account) -> bool:
    """Remove an SSH key; False if the account does not have it. Raises Denied."""
    check_account(by, account)
    async with panel.transaction() as conn:
        removed = await keys.remove(conn, account.id, fingerprint)
        if removed:
            await audit.record(conn, AuditAction.KEY_REMOVE, by, fingerprint=fingerprint, account=account)
    return removed


async def tokens_of(panel: Panel, account: Account) -> Sequence[Token]:
    """Return the account's API tokens, oldest first."""
    async with panel.autocommit() as conn:
        return await tokens.of(conn, account.id)


async def add_token(panel: Panel, account: Account, description: str, scope: Scope = Scope.GLOBAL, life: timedelta | None = None) -> str:
    """Create an API token and return it; only its digest is stored."""
    return (await authorize(panel, account, description, scope, life, by=account))[1]


async def authorize(
    panel: Panel, account: Account, description: str, scope: Scope, life: timedelta | None, *, by: Account
) -> tuple[Token, str]:
    """Create an API token; return the stored token, and its secret. Raises Denied."""
    check_account(by, account)
    secret = secrets.token_urlsafe(32)
    expires_at = panel.clock.now() + life if life else None
    async with panel.transaction() as conn:
        token = await tokens.add(conn, account.id, digest(secret), description, scope, expires_at)
        await audit.record(conn, AuditAction.TOKEN_ADD, by, description=description, scope=scope, account=account)
    return token, secret


async def caller(panel: Panel, token: str) -> Caller | None:
    """Return who calls with an API token, if it is valid, and count the call. Raises Throttled."""
    # Concurrent calls may use the same token, so each locks its row only as long as it takes to count.
    async with panel.autocommit() as conn:
        use = await tokens.use(conn, digest(token))
    return None if use is None else Caller(use.account, use.token_id, use.scope, rate.remaining(use.debt))


async def holder(panel: Panel, token_id: TokenId, action: Action) -> Account | None:
    """Return the account of the token with this id, if it is valid for an action. This does not count as a call."""
    async with panel.autocommit() as conn:
        found = await tokens.holder(conn, token_id)
    return found[0] if found and covers(found[1], action) else None


async def bearer(panel: Panel, token: str, action: Action) -> Account | None:
    """Return the account of an API token, or None if it is not valid. Raises Denied if its scope does not cover `action`."""
    async with panel.autocommit() as conn:
        found = await tokens.owner(conn, digest(token))
    if found is None:
        return None
    account, scope = found
    async with audit.denials(panel, account, f"{action.value} by a token of scope {scope}"):
        _check_scope(scope, action)
    return account


async def revoke_token(panel: Panel, account: Account, token_id: TokenId, *, by: Account) -> bool:
    """Revoke an API token; False if the account does not have it. Raises Denied."""
    check_account(by, account)
    async with panel.transaction() as conn:
        revoked = await tokens.revoke(conn, account.id, token_id)
        if revoked:
            await audit.record(conn, AuditAction.TOKEN_REVOKE, by, token=str(token_id), account=account)
    return revoked


def _check_scope(scope: str, action: Action | AccountAction) -> None:
    if not covers(scope, action):
        raise Denied(f"This API token has the scope {scope}, which does not allow that.", "Use another one.")
