"""The e-mail address of an account, and its change."""

import secrets
from datetime import timedelta

from skypanel.domain import mails
from skypanel.domain.account import Account
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, Denied, SkyPanelError
from skypanel.domain.mail import Mail
from skypanel.domain.names import check_email
from skypanel.flow import audit, mail, passwords
from skypanel.flow.digest import digest
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import accounts, sign_ins

LINK_LIFE = timedelta(hours=24)
PATH = "/account/email"


async def change(panel: Panel, account: Account, new: str, password: str, address: str) -> bool:
    """Change an account's e-mail address; whether it has changed, or else waits for a click on a link in a mail to the new address.

    The password proves the owner; without mail, an account must have one. `address` is where the request came from. Raises Invalid, Denied,
    Throttled, Conflict, and Unavailable if the mail cannot be sent.
    """
    email = check_email(new)
    if email == account.email:
        raise Conflict(f"Your address is {email} already.", "Write another one.")
    sends_mail = await mail.server(panel) is not None
    if not sends_mail and not await passwords.is_set(panel, account):
        raise Denied("An account without a password cannot change its address here.", "Set a password first.")
    await passwords.confirm(panel, account, password, address)
    if not sends_mail:
        async with panel.transaction() as conn:
            await _put(conn, account, email)
        return True
    failed = await mail.send(panel, await _question(panel, account, email))
    if failed is not None:
        raise failed
    return False


async def confirm(panel: Panel, account: Account, token: str) -> SkyPanelError | None:
    """Give an account the address that a link confirms, and tell its old address; returns why that mail was not sent.

    Raises Denied for a bad link, Conflict if another account has the address now.
    """
    async with panel.transaction() as conn:
        email = await sign_ins.use_address_change(conn, account.id, digest(token))
        if email is not None:
            await _put(conn, account, email)
    if email is None:
        raise Denied("This link has already been used, has expired, or is for another account.", "Change the address again.")
    return await mail.send(panel, mails.address_changed(account.email, email))


async def _question(panel: Panel, account: Account, email: str) -> Mail:
    """Return the mail to the new address. The account does not learn whether another one has it."""
    async with panel.transaction() as conn:
        if await accounts.by_email(conn, email):
            return mails.address_taken(email)
        token = secrets.token_urlsafe(32)
        await sign_ins.add_address_change(conn, account.id, digest(token), panel.clock.now() + LINK_LIFE, email)
    return mails.address_to_confirm(email, f"{panel.address.dashboard_url().rstrip('/')}{PATH}?token={token}", LINK_LIFE)


async def _put(conn: Connection, account: Account, email: str) -> None:
    await accounts.set_email(conn, account.id, email)
    await sign_ins.drop_links(conn, account.id)
    await audit.record(conn, AuditAction.ACCOUNT_CHANGE_ADDRESS, account, before=account.email, after=email)
