"""Mail."""

from typing import Protocol

from skypanel.domain.mail import Mail, MailServer

SEND_S = 8.0


class Mailer(Protocol):
    async def send(self, server: MailServer, mail: Mail) -> None:
        """Hand a mail to a server, within SEND_S seconds. Raises Unavailable, which says why it was not taken, and Invalid."""
        ...
