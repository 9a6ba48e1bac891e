"""Mail: at once, or by a worker, which tries again. What a mail is about never fails because the mail does."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta

from skypanel.domain import mails as texts
from skypanel.domain.access import check_admin
from skypanel.domain.account import Account
from skypanel.domain.errors import Invalid, SkyPanelError, Unavailable
from skypanel.domain.mail import Mail, MailServer, server_of
from skypanel.flow.configured import values
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import mails

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180))

log = logging.getLogger(__name__)


async def server(panel: Panel) -> MailServer | None:
    """Return the mail server, or None if the panel sends no mail."""
    async with panel.autocommit() as conn:
        return server_of(await values(conn, panel.cipher))


async def send(panel: Panel, mail: Mail) -> SkyPanelError | None:
    """Send a mail now. Returns why it was not sent, instead of raising, so that what it is about stays done."""
    to = await server(panel)
    if to is None:
        return Unavailable("This panel sends no mail.", "An administrator can set smtp_host and mail_sender.")
    try:
        await panel.mailer.send(to, mail)
    except (Unavailable, Invalid) as error:
        log.warning("%s", error.message)
        return error
    return None


async def enqueue(panel: Panel, conn: Connection, mail: Mail) -> None:
    """Leave a mail to a worker, in the caller's transaction."""
    await mails.add(conn, panel.cipher.encrypt(json.dumps(asdict(mail))))


async def deliver(panel: Panel, is_over: Callable[[], bool]) -> None:
    """Send the mails that wait, until there are no more, one fails, or `is_over`. A mail is tried for hours, then dropped."""
    while not is_over():
        async with panel.transaction() as conn:
            waiting = await mails.claim(conn, PAUSES)
        if waiting is None:
            return
        failed = await send(panel, Mail(**json.loads(panel.cipher.decrypt(waiting.secret))))
        if failed is None or waiting.attempts >= len(PAUSES):
            async with panel.transaction() as conn:
                await mails.remove(conn, waiting.id)
        if failed is not None:
            return


async def try_out(panel: Panel, by: Account) -> None:
    """Send a mail to the administrator, to see whether mail works. Raises Denied, and Unavailable or Invalid with the reason."""
    check_admin(by)
    failed = await send(panel, texts.trial(by.email))
    if failed is not None:
        raise failed
