"""Rules for names of apps, organizations and machines, and for e-mail addresses."""

import re
from ipaddress import IPv6Address

from skypanel.domain.errors import Invalid

RESERVED_NAMES = frozenset(
    {"admin", "api", "dashboard", "git", "localhost", "mail", "new", "ns1", "ns2", "panel", "skypanel", "smtp", "ssh", "status", "www"}
)
MAX_NAME_LENGTH = 30
MAX_EMAIL_LENGTH = 254
MAX_HOST_LENGTH = 253

_ORGANIZATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 -]{0,58}[A-Za-z0-9])?")
_EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_NAME = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_DYNO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(?:\.[1-9][0-9]{0,5})?")


def check_app_name(name: str) -> str:
    """Return `name` if an app may have it: one DNS label (RFC 1123) of at most 30 characters.

    Raises Invalid, which says what is allowed.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH or name.startswith("xn--"):
        raise Invalid(
            f"{printable(name)} is not a valid app name.",
            f"Use up to {MAX_NAME_LENGTH} lowercase letters, digits and dashes; begin with a letter and end with a letter or digit.",
        )
    if name in RESERVED_NAMES:
        raise Invalid(f"The name {name} is reserved.", "Choose another name.")
    return name


def check_organization_name(name: str) -> str:
    """Return `name` if an organization may have it. Raises Invalid, which says what is allowed."""
    if not _ORGANIZATION.fullmatch(name):
        raise Invalid(
            f"{printable(name)} is not a valid organization name.",
            "Use up to 60 letters, digits, dashes and spaces; begin and end with a letter or digit.",
        )
    return name


def check_email(email: str) -> str:
    """Return an e-mail address in lowercase if its form is valid. Raises Invalid."""
    if not _EMAIL.fullmatch(email) or len(email) > MAX_EMAIL_LENGTH:
        raise Invalid(f"{printable(email)} is not an e-mail address.", "Write it like this: ada@example.com")
    return email.lower()


def is_host(text: str) -> bool:
    """Whether `text` has the form of a hostname or of an IP address, without a port and a zone."""
    return len(text) <= MAX_HOST_LENGTH and (_HOST.fullmatch(text) is not None or _is_ipv6(text))


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text)) and "%" not in text
    except ValueError:
        return False


def is_dyno(name: str) -> bool:
    """Whether `name` has the form of a dyno's name, such as web.1, or of a process type's."""
    return _DYNO.fullmatch(name) is not None


def printable(text: str, limit: int = 60) -> str:
    """Return `text` quoted for a message: one line, no control characters, at most `limit` characters."""
    quoted = ascii(text)
    return quoted if len(quoted) <= limit else f"{quoted[: limit - 4]}...'"
