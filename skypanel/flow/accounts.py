"""Signing in, keys and tokens."""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from skypanel.domain.access import Action, covers
from skypanel.domain.account import Account
from skypanel.domain.errors import Denied
from skypanel.flow import audit
from skypanel.ports import Panel
from skypanel.store import keys, sign_ins, tokens

LOGIN_LINK_LIFE = timedelta(hours=24)
SESSION_LIFE = timedelta(days=14)


def digest(secret: str) -> str:
    """Return what is stored of a secret that only its holder knows: its SHA-256 in hex.

    The secrets are 32 random bytes, so that a slow hash would add nothing.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


async def login_link(panel: Panel, account: Account) -> str:
    """Return the path of a link that signs the account in once, within a day."""
    token = secrets.token_urlsafe(32)
    async with panel.transaction() as conn:
        await sign_ins.add_link(conn, account.id, digest(token), panel.clock.now() + LOGIN_LINK_LIFE)
    return f"/login?token={token}"


async def sign_in_by_link(panel: Panel, token: str) -> str:
    """Use up a login link and return a session token. Raises Denied if it is used or expired."""
    session = secrets.token_urlsafe(32)
    async with panel.transaction() as conn:
        account = await sign_ins.use_link(conn, digest(token))
        if account is None:
            raise Denied("This link was used already, or has expired.", "Make a new one with `skypanel login-link`.")
        await sign_ins.add_session(conn, account.id, digest(session), panel.clock.now() + SESSION_LIFE)
        await audit.record(conn, "account.sign_in", account)
    return session


async def session_account(panel: Panel, session: str) -> Account | None:
    """Return whose session it is, if it is still good."""
    async with panel.transaction() as conn:
        return await sign_ins.session(conn, digest(session))


async def sign_out(panel: Panel, session: str) -> None:
    """End a session."""
    async with panel.transaction() as conn:
        await sign_ins.end_session(conn, digest(session))


async def add_key(panel: Panel, account: Account, public_key: str, fingerprint: str, name: str) -> None:
    """Let an SSH key push as the account. Raises Conflict if the key is somebody's already."""
    async with panel.transaction() as conn:
        await keys.add(conn, account.id, public_key, fingerprint, name)
        await audit.record(conn, "key.add", account, fingerprint=fingerprint)


async def remove_key(panel: Panel, account: Account, fingerprint: str) -> bool:
    """Take a key away and say whether it was there."""
    async with panel.transaction() as conn:
        removed = await keys.remove(conn, account.id, fingerprint)
        await audit.record(conn, "key.remove", account, fingerprint=fingerprint)
    return removed


async def add_token(panel: Panel, account: Account, description: str, scope: str = "global", life: timedelta | None = None) -> str:
    """Return a new API token; only its digest is stored."""
    token = secrets.token_urlsafe(32)
    expires_at = panel.clock.now() + life if life else None
    async with panel.transaction() as conn:
        await tokens.add(conn, account.id, digest(token), description, scope, expires_at)
        await audit.record(conn, "token.add", account, description=description, scope=scope)
    return token


async def bearer(panel: Panel, token: str, action: Action) -> Account | None:
    """Return whose API token this is, if it is still good. Raises Denied if its scope does not cover `action`."""
    async with panel.transaction() as conn:
        found = await tokens.owner(conn, digest(token))
    if found is None:
        return None
    account, scope = found
    if not covers(scope, action):
        raise Denied(f"This API token has the scope {scope}, which does not allow that.", "Use another one.")
    return account


async def revoke_token(panel: Panel, account: Account, token_id: UUID) -> bool:
    """Revoke a token and say whether it was there."""
    async with panel.transaction() as conn:
        revoked = await tokens.revoke(conn, account.id, token_id)
        await audit.record(conn, "token.revoke", account, token=str(token_id))
    return revoked
