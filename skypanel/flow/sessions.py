"""The sessions of an account: begin one, list them, and end them."""

import secrets
from collections.abc import Sequence

from skypanel.domain.account import Account
from skypanel.domain.audit import AuditAction
from skypanel.domain.clients import network
from skypanel.domain.errors import Denied, NotFound
from skypanel.domain.ids import SessionId
from skypanel.domain.life import SESSION_LIFE
from skypanel.domain.password import KNOWN_FOR
from skypanel.domain.session import MAX_USER_AGENT, Session
from skypanel.flow import audit
from skypanel.flow.digest import digest
from skypanel.ports.clock import Clock
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import accounts, known_addresses, sign_ins


async def begin(clock: Clock, conn: Connection, account: Account, address: str, browser: str) -> str:
    """Begin a session in the caller's transaction, and return its secret.

    `address` is where the request came from, `browser` its User-Agent header. Raises Denied for a disabled account.
    """
    await check_enabled(conn, account)
    secret = secrets.token_urlsafe(32)
    expires_at = clock.now() + SESSION_LIFE
    shown = "".join(filter(str.isprintable, browser))[:MAX_USER_AGENT]
    await sign_ins.add_session(conn, account.id, digest(secret), expires_at, shown or None, address[:MAX_USER_AGENT])
    await known_addresses.remember(conn, account.id, network(address), KNOWN_FOR)
    await audit.record(conn, AuditAction.ACCOUNT_SIGN_IN, account)
    return secret


async def check_enabled(conn: Connection, account: Account) -> None:
    """Raise Denied if an administrator disabled the account."""
    if await accounts.is_disabled(conn, account.id):
        raise Denied("This account is disabled.", "Ask an administrator of this panel.")


async def of(panel: Panel, account: Account, session: str) -> Sequence[Session]:
    """Return the account's sessions, the last seen first; `session` is the secret of the one that asks."""
    async with panel.autocommit() as conn:
        return await sign_ins.of(conn, account.id, digest(session))


async def end(panel: Panel, account: Account, session_id: SessionId) -> None:
    """End one of the account's sessions. Raises NotFound."""
    async with panel.transaction() as conn:
        if not await sign_ins.end_one(conn, account.id, session_id):
            raise NotFound("This browser is no longer signed in.", "The list shows those that are.")
        await audit.record(conn, AuditAction.ACCOUNT_END_SESSIONS, account, sessions=1)


async def end_others(panel: Panel, account: Account, session: str) -> int:
    """End all of the account's sessions but this one, and return how many."""
    async with panel.transaction() as conn:
        ended = await sign_ins.end_sessions(conn, account.id, but=digest(session))
        await audit.record(conn, AuditAction.ACCOUNT_END_SESSIONS, account, sessions=ended)
    return ended
