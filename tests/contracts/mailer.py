"""The contract of the port Mailer.

A subclass provides the fixtures `mailer`, `server`, `sent`, and `nowhere`. `sent` returns what arrived at `server`, as pairs of the
recipients and the message's text. `nowhere` is a server that does not answer.
"""

import pytest

from skypanel.domain.errors import Invalid, Unavailable
from skypanel.domain.mail import Mail

MAIL = Mail("ada@example.com", "A new password", "Set it here:\n\nhttps://skypanel.example.com/login/reset?token=abc\n\nNaïve ☃\n")


class MailerContract:
    async def test_a_mail_arrives(self, mailer, server, sent):
        await mailer.send(server, MAIL)
        [(recipients, text)] = sent()
        assert (recipients, text) == ([MAIL.to], MAIL.text)

    async def test_a_server_that_does_not_answer_is_unavailable(self, mailer, nowhere, sent):
        with pytest.raises(Unavailable, match=r"The mail to ada@example\.com could not be sent by .+:\d+: "):
            await mailer.send(nowhere, MAIL)
        assert sent() == []

    @pytest.mark.parametrize("to", ["ada@example.com,eve@example.com", "<eve@example.com>ada@example.com", '"a"@example.com'])
    async def test_a_mail_goes_to_one_address_or_nobody(self, mailer, server, sent, to):
        with pytest.raises(Invalid):
            await mailer.send(server, Mail(to, MAIL.subject, MAIL.text))
        assert sent() == []
