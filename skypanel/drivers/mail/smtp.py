"""The Mailer port: SMTP (RFC 5321) by aiosmtplib."""

import asyncio
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import aiosmtplib

from skypanel.domain.errors import Unavailable
from skypanel.domain.mail import Mail, MailServer, Security, check_recipient
from skypanel.domain.names import printable
from skypanel.ports.mail import SEND_S

MAX_REASON = 200


class SmtpMailer:
    """Opens a connection for each mail. Certificates of servers are verified."""

    async def send(self, server: MailServer, mail: Mail) -> None:
        """Hand a mail to a server. Raises Unavailable and Invalid."""
        message = _message(server, mail)
        try:
            async with asyncio.timeout(SEND_S):
                await aiosmtplib.send(
                    message,
                    sender=server.sender,
                    recipients=[mail.to],
                    hostname=server.host,
                    port=server.port,
                    username=server.user or None,
                    password=server.password or None,
                    use_tls=server.security is Security.TLS,
                    start_tls=server.security is Security.STARTTLS,
                    local_hostname=server.sender.rpartition("@")[2],
                    timeout=SEND_S,
                )
        except TimeoutError:
            raise _failed(server, mail, f"the server did not answer within {SEND_S:g} s") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _failed(server, mail, _reason(error)) from None


def _message(server: MailServer, mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = f"SkyPanel <{server.sender}>"
    message["To"] = check_recipient(mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=server.sender.rpartition("@")[2])
    # Mail programs send no automatic answers to it (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _reason(error: Exception) -> str:
    """Return what went wrong. An answer to a login may repeat it, so only its code is told."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"the server refused the login ({error.code})"
    return printable(str(error), MAX_REASON)


def _failed(server: MailServer, mail: Mail, reason: str) -> Unavailable:
    return Unavailable(
        f"The mail to {mail.to} could not be sent by {server.host}:{server.port}: {reason}.",
        "An administrator can look at the settings smtp_host to mail_sender.",
    )
