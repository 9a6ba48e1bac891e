"""Mail by SMTP, with a real server."""

import socket
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.mail import Mail, MailServer, Security
from skypanel.drivers.mail.smtp import SmtpMailer
from tests.contracts.mailer import MAIL, MailerContract
from tests.fixtures.mail_server import PASSWORD, REFUSED, USER, Inbox, own_certificate, running_mail_server, trusted

__all__ = ["trusted"]

SENDER = "skypanel@example.com"


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
async def start(inbox):
    async with AsyncExitStack() as stack:

        async def start(security=Security.NONE, **options):
            port = await stack.enter_async_context(running_mail_server(inbox, **options))
            return MailServer("127.0.0.1", port, security, USER, PASSWORD, SENDER)

        yield start


@pytest.fixture
def mailer():
    return SmtpMailer()


class TestSmtpMailer(MailerContract):
    @pytest.fixture
    async def server(self, start):
        return await start(auth_required=True)

    @pytest.fixture
    def sent(self, inbox):
        return lambda: [(recipients, message.get_content().replace("\r\n", "\n")) for _, recipients, message in inbox.mails]

    @pytest.fixture
    def nowhere(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            yield MailServer("127.0.0.1", closed.getsockname()[1], Security.NONE, "", "", SENDER)


async def test_what_a_mail_says_of_itself(mailer, start, inbox):
    await mailer.send(await start(), MAIL)
    [(sender, _, message)] = inbox.mails
    assert (sender, message["From"], message["To"], message["Subject"]) == (SENDER, f"SkyPanel <{SENDER}>", MAIL.to, MAIL.subject)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@example.com>")


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_wrong_password_is_told_without_it(mailer, start, inbox, password):
    server = replace(await start(auth_required=True), password=password)
    with pytest.raises(Unavailable) as refused:
        await mailer.send(server, MAIL)
    assert PASSWORD not in str(refused.value)
    assert "wrong" not in str(refused.value)
    assert inbox.mails == []


async def test_a_refused_recipient_is_told(mailer, start):
    with pytest.raises(Unavailable, match="no such user here"):
        await mailer.send(await start(), Mail(REFUSED, "Hello", "Hello"))


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_certificate_that_nobody_vouches_for_is_refused(mailer, start, inbox, tmp_path, security):
    context, _ = own_certificate(tmp_path)
    options = {"tls_context": context} if security is Security.STARTTLS else {"ssl_context": context}
    with pytest.raises(Unavailable, match="certificate"):
        await mailer.send(await start(security, **options), MAIL)
    assert inbox.mails == []


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_tls_with_a_good_certificate(mailer, start, inbox, trusted, security):
    context = trusted
    options = {"tls_context": context} if security is Security.STARTTLS else {"ssl_context": context}
    await mailer.send(await start(security, **options), MAIL)
    assert len(inbox.mails) == 1


async def test_a_server_without_encryption_gets_no_password_where_it_is_wanted(mailer, start, inbox):
    with pytest.raises(Unavailable):
        await mailer.send(await start(Security.STARTTLS, auth_required=True), MAIL)
    assert inbox.mails == []
