"""A forgotten password: a link by mail sets another one."""

import secrets
from dataclasses import replace
from datetime import timedelta

from skypanel.domain import mails
from skypanel.domain.audit import AuditAction
from skypanel.domain.clients import network
from skypanel.domain.errors import Denied
from skypanel.domain.password import WINDOW, check_password
from skypanel.flow import audit, mail, passwords
from skypanel.flow.digest import digest
from skypanel.ports.panel import Panel
from skypanel.store import accounts, sign_in_attempts, sign_ins

LINK_LIFE = timedelta(hours=1)
PATH = "/login/reset"
# Mails that one account gets within WINDOW at most, whoever asks for them.
MOST_MAILS = 5


async def request(panel: Panel, email: str, address: str) -> None:
    """Mail a link to the account with this e-mail address, if there is one. The caller learns nothing about that.

    A worker sends the mail, so that the time does not tell either. `address` is where the request came from. Raises Throttled.
    """
    key, origin = digest(f"forgotten {email.strip().lower()}"), f"mail {network(address)}"
    async with panel.transaction() as conn:
        before = await sign_in_attempts.lately(conn, key, origin, WINDOW)
        # How often an account was asked for must not show: it just gets no more mails.
        replace(before, here=0, of_account=0).check()
        await sign_in_attempts.add(conn, key, origin)
        account = await accounts.by_email(conn, email.strip())
        if account is None or before.of_account >= MOST_MAILS or await accounts.is_disabled(conn, account.id):
            return
        token = secrets.token_urlsafe(32)
        await sign_ins.add_reset_link(conn, account.id, digest(token), panel.clock.now() + LINK_LIFE)
        url = f"{panel.address.dashboard_url().rstrip('/')}{PATH}?token={token}"
        await mail.enqueue(panel, conn, mails.password_reset(account.email, url, LINK_LIFE))
        await audit.record(conn, AuditAction.ACCOUNT_FORGET_PASSWORD, None, account=account)


async def reset(panel: Panel, token: str, new: str) -> None:
    """Set the password of the account that a link belongs to, and end its sessions. The link works once.

    Raises Invalid for a bad password, which leaves the link as it is, and Denied for a bad link.
    """
    check_password(new)
    hashed = await panel.passwords.hash(new)
    async with panel.transaction() as conn:
        account = await sign_ins.use_reset_link(conn, digest(token))
        if account is not None:
            await passwords.store(conn, account, hashed)
            return
    raise Denied("This link has already been used or has expired.", "Ask for another one on the sign-in page.")
