"""Mails, and the server that takes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from skypanel.domain.errors import Invalid
from skypanel.domain.names import check_email, is_host, printable

MAX_LOGIN_LENGTH = 256
MAX_PORT = 65535

# Characters that mean something in a list of addresses (RFC 5322, 3.2.3), so that a mail goes to one address only.
_SPECIAL = re.compile(r'[()<>\[\]:;,\\"]')


class Security(StrEnum):
    """How the connection to a mail server is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True)
class MailServer:
    """An SMTP server, and the address that mails come from. Without a user, the panel does not log in."""

    host: str
    port: int
    security: Security
    user: str
    password: str = field(repr=False)
    sender: str = ""


@dataclass(frozen=True)
class Mail:
    """A mail in plain text, to one address. Its text may contain a secret link."""

    to: str
    subject: str
    text: str = field(repr=False)


def server_of(values: Mapping[str, object]) -> MailServer | None:
    """Return the mail server that the settings choose, or None if there is no mail."""
    if not values["smtp_host"] or not values["mail_sender"]:
        return None
    login = str(values["smtp_user"]), str(values["smtp_password"])
    return MailServer(
        str(values["smtp_host"]), int(str(values["smtp_port"])), Security(str(values["smtp_security"])), *login, str(values["mail_sender"])
    )


def read_host(text: str) -> str:
    """Return the name or address of a mail server; an empty text turns mail off. Raises Invalid."""
    if text and not is_host(text):
        raise Invalid(f"{printable(text)} is not the name of a server.", "Write it like this: smtp.example.com")
    return text


def read_port(text: str) -> int:
    """Return a port. Raises Invalid."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= MAX_PORT:
        raise Invalid(f"{printable(text)} is not a port.", f"Write a number from 1 to {MAX_PORT}; most servers take mail at 587.")
    return int(text)


def read_login(text: str) -> str:
    """Return a user or a password of a mail server. Raises Invalid, whose message never shows it."""
    if not text.isprintable() or len(text) > MAX_LOGIN_LENGTH:
        raise Invalid("This does not fit.", f"Write up to {MAX_LOGIN_LENGTH} printable characters.")
    return text


def read_sender(text: str) -> str:
    """Return the address that mails come from; an empty text turns mail off. Raises Invalid."""
    return check_recipient(check_email(text)) if text else text


def check_recipient(address: str) -> str:
    """Return an address if a mail can go to it and nobody else. Raises Invalid."""
    if _SPECIAL.search(address):
        raise Invalid(f"No mail can be sent to {printable(address)}.", "Use an address without quotes, commas and brackets.")
    return address
