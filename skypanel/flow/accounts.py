"""Signing in, keys and tokens.

An administrator does as `by` what is another account's own to do, and is on record for it.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from skypanel.domain import rate
from skypanel.domain.access import AccountAction, Action, Scope, check_account, covers
from skypanel.domain.account import Account, Key, PublicKey, Token
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Denied
from skypanel.domain.ids import TokenId
from skypanel.domain.password import MOST_OF_ADDRESS, WINDOW, network
from skypanel.flow import audit
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import keys, sign_in_attempts, sign_ins, tokens

LOGIN_LINK_LIFE = timedelta(hours=24)
SESSION_LIFE = timedelta(days=14)


@dataclass(frozen=True)
class Caller:
    """Who calls by which API token, and how many more calls it is good for now."""

    account: Account
    token_id: TokenId
    scope: str
    remaining: int

    def check(self, action: Action | AccountAction) -> None:
        """Raise Denied if the token's scope does not cover an action."""
        _check_scope(self.scope, action)


def digest(secret: str) -> str:
    """Return what is stored of a secret that only its holder knows: its SHA-256 in hex.

    The secrets are 32 random bytes, so that a slow hash would add nothing.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


async def login_link(panel: Panel, account: Account) -> str:
    """Return the path of a link that signs the account in once, within a day."""
    async with panel.transaction() as conn:
        return await add_link(panel, conn, account)


async def add_link(panel: Panel, conn: Connection, account: Account) -> str:
    """Make such a link, and return its path."""
    token = secrets.token_urlsafe(32)
    await sign_ins.add_link(conn, account.id, digest(token), panel.clock.now() + LOGIN_LINK_LIFE)
    return f"/login?token={token}"


async def sign_in_by_link(panel: Panel, token: str, address: str) -> str:
    """Use up a login link and return a session token. Raises Denied if it is used or expired. `address` is where the request came from."""
    session = secrets.token_urlsafe(32)
    async with panel.transaction() as conn:
        account = await sign_ins.use_link(conn, digest(token))
        if account is not None:
            await sign_ins.add_session(conn, account.id, digest(session), panel.clock.now() + SESSION_LIFE)
            await audit.record(conn, AuditAction.ACCOUNT_SIGN_IN, account)
            return session
        await _note_bad_link(conn, network(address))
    raise Denied(
        "This link was used already, or has expired.",
        "Sign in by your password, or have an administrator make a new link: `skypanel accounts invite` and your address.",
    )


async def _note_bad_link(conn: Connection, origin: str) -> None:
    """Write down that somebody came by a link that is not good, as long as their address has tries left: nobody fills the log."""
    lately = await sign_in_attempts.lately(conn, digest("a link"), origin, WINDOW)
    if lately.of_address < MOST_OF_ADDRESS:
        await sign_in_attempts.add(conn, digest("a link"), origin)
        await audit.record(conn, AuditAction.ACCOUNT_SIGN_IN_FAILED, None, means="a link")


async def session_account(panel: Panel, session: str) -> Account | None:
    """Return whose session it is, if it is still good."""
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
    """Return whose SSH key has a fingerprint, and note that it was used."""
    async with panel.transaction() as conn:
        return await keys.owner(conn, fingerprint)


async def keys_of(panel: Panel, account: Account) -> Sequence[Key]:
    """Return the account's SSH keys."""
    async with panel.autocommit() as conn:
        return await keys.of(conn, account.id)


async def add_key(panel: Panel, account: Account, key: PublicKey, *, by: Account) -> Key:
    """Let an SSH key push as the account; one that does already, still does. Raises Denied, and Conflict for another's key."""
    check_account(by, account)
    async with panel.transaction() as conn:
        held = await keys.get(conn, account.id, key.fingerprint)
        if held is not None:
            return held
        added = await keys.add(conn, account.id, key.text, key.fingerprint, key.name)
        await audit.record(conn, AuditAction.KEY_ADD, by, fingerprint=key.fingerprint, account=account)
    return added


async def remove_key(panel: Panel, account: Account, fingerprint: str, *, by: Account) -> bool:
    """Take a key away and say whether it was there. Raises Denied."""
    check_account(by, account)
    async with panel.transaction() as conn:
        removed = await keys.remove(conn, account.id, fingerprint)
        if removed:
            await audit.record(conn, AuditAction.KEY_REMOVE, by, fingerprint=fingerprint, account=account)
    return removed


async def tokens_of(panel: Panel, account: Account) -> Sequence[Token]:
    """Return the account's API tokens, the oldest first."""
    async with panel.autocommit() as conn:
        return await tokens.of(conn, account.id)


async def add_token(panel: Panel, account: Account, description: str, scope: Scope = Scope.GLOBAL, life: timedelta | None = None) -> str:
    """Return a new API token; only its digest is stored."""
    return (await authorize(panel, account, description, scope, life, by=account))[1]


async def authorize(
    panel: Panel, account: Account, description: str, scope: Scope, life: timedelta | None, *, by: Account
) -> tuple[Token, str]:
    """Make an API token, and return what is stored of it and the token itself. Raises Denied."""
    check_account(by, account)
    secret = secrets.token_urlsafe(32)
    expires_at = panel.clock.now() + life if life else None
    async with panel.transaction() as conn:
        token = await tokens.add(conn, account.id, digest(secret), description, scope, expires_at)
        await audit.record(conn, AuditAction.TOKEN_ADD, by, description=description, scope=scope, account=account)
    return token, secret


async def caller(panel: Panel, token: str) -> Caller | None:
    """Return who calls by an API token, if it is still good, and count the call. Raises Throttled."""
    # Calls by one token come at the same time: none holds its row for longer than it takes to count.
    async with panel.autocommit() as conn:
        use = await tokens.use(conn, digest(token))
    return None if use is None else Caller(use.account, use.token_id, use.scope, rate.remaining(use.debt))


async def holder(panel: Panel, token_id: TokenId, action: Action) -> Account | None:
    """Return whose API token has an id, if it is still good for an action; this is no call."""
    async with panel.autocommit() as conn:
        found = await tokens.holder(conn, token_id)
    return found[0] if found and covers(found[1], action) else None


async def bearer(panel: Panel, token: str, action: Action) -> Account | None:
    """Return whose API token this is, if it is still good. Raises Denied if its scope does not cover `action`."""
    async with panel.autocommit() as conn:
        found = await tokens.owner(conn, digest(token))
    if found is None:
        return None
    account, scope = found
    async with audit.denials(panel, account, f"{action.value} by a token of scope {scope}"):
        _check_scope(scope, action)
    return account


async def revoke_token(panel: Panel, account: Account, token_id: TokenId, *, by: Account) -> bool:
    """Revoke a token and say whether it was there. Raises Denied."""
    check_account(by, account)
    async with panel.transaction() as conn:
        revoked = await tokens.revoke(conn, account.id, token_id)
        if revoked:
            await audit.record(conn, AuditAction.TOKEN_REVOKE, by, token=str(token_id), account=account)
    return revoked


def _check_scope(scope: str, action: Action | AccountAction) -> None:
    if not covers(scope, action):
        raise Denied(f"This API token has the scope {scope}, which does not allow that.", "Use another one.")
