"""Mails about what happened, to those who want them."""

from collections.abc import Callable, Collection, Iterable

from skypanel.domain.account import Account
from skypanel.domain.ids import AccountId
from skypanel.domain.mail import Mail, server_of
from skypanel.domain.notification import NOTIFICATIONS, Notification, offered
from skypanel.flow import mail
from skypanel.flow.configured import values
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import accounts


async def send(
    panel: Panel, conn: Connection, kind: Notification, account_ids: Collection[AccountId], written: Callable[[str], Mail]
) -> None:
    """Leave a mail for each of these accounts that wants this kind to a worker, in the caller's transaction. `written` gets the address."""
    if not account_ids or server_of(await values(conn, panel.cipher)) is None:
        return
    for address in await accounts.wanting(conn, account_ids, kind):
        await mail.enqueue(panel, conn, written(address))


async def wanted(panel: Panel, account: Account) -> set[Notification]:
    """Return the kinds of mail that an account has not turned off."""
    async with panel.autocommit() as conn:
        muted = await accounts.muted(conn, account.id)
    return {kind for kind in offered(account) if kind not in muted}


async def choose(panel: Panel, account: Account, kinds: Iterable[str]) -> None:
    """Let an account get these kinds of mail and no others."""
    chosen = set(kinds)
    async with panel.transaction() as conn:
        await accounts.set_muted(conn, account.id, [kind for kind in NOTIFICATIONS if kind not in chosen])
