from skypanel.domain.errors import Unavailable
from skypanel.domain.mail import check_recipient


class FakeMailer:
    """Keeps what was sent. While `broken` is true, no server answers."""

    def __init__(self):
        self.sent = []
        self.broken = False

    async def send(self, server, mail):
        check_recipient(mail.to)
        if self.broken:
            message = f"The mail to {mail.to} could not be sent by {server.host}:{server.port}: no answer."
            raise Unavailable(message, "Look at the settings.")
        self.sent.append(mail)

    def link(self, path):
        """Return the link in the newest mail, without the dashboard's address."""
        return next(word[word.index(path) :] for word in self.sent[-1].text.split() if path in word)
