"""Certificates, and the orders that a certificate authority issues them for."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.names import check_email, printable

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
# What an administrator can write instead of these URLs.
DIRECTORIES = {"letsencrypt": LETS_ENCRYPT, "letsencrypt-staging": LETS_ENCRYPT_STAGING}

MAX_URL = 500
MAX_BUNDLE = 100_000

_DIRECTORY = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!-~]*)?")
_KID = re.compile(r"[!-~]{1,200}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{16,500}={0,2}")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


class Status(StrEnum):
    """The status of an order or an authorization at the CA (RFC 8555, 7.1.6)."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class ChallengeKind(StrEnum):
    """How the panel proves to the CA that it controls a name."""

    HTTP = "http-01"
    DNS = "dns-01"


@dataclass(frozen=True)
class Authority:
    """The certificate authority in the settings: its ACME directory, a contact address, and an account there if it requires one.

    `trusted` are certificates in PEM for a CA that the machine does not trust.
    """

    directory: str
    email: str = ""
    eab_kid: str = ""
    eab_key: str = field(default="", repr=False)
    trusted: str = ""


@dataclass(frozen=True)
class AcmeAccount:
    """An account at a CA. `key` is its private key in PEM."""

    authority: Authority
    key: str = field(repr=False)
    url: str


@dataclass(frozen=True)
class Challenge:
    """A challenge for a name. `proof` is what the file or TXT record must contain; `problem` is why the CA did not accept it."""

    kind: ChallengeKind
    url: str
    token: str
    proof: str
    problem: str = ""


@dataclass(frozen=True)
class Authorization:
    """What the CA requires for one name of an order. `name` has no `*.`."""

    name: str
    status: Status
    challenges: tuple[Challenge, ...]


@dataclass(frozen=True)
class AcmeOrder:
    """An order as the CA describes it. `retry_after` is how long to wait before asking again, if the CA said."""

    url: str
    finalize_url: str
    status: Status
    authorizations: tuple[Authorization, ...] = ()
    certificate_url: str = ""
    problem: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True)
class RenewalInfo:
    """When to renew a certificate by the CA's word, and how long that holds (RFC 9773). The time is a random one of the CA's window."""

    renew_at: datetime
    check_after: timedelta


@dataclass(frozen=True)
class Facts:
    """What a certificate says about itself."""

    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    issuer: str
    serial: str


class AuthorityError(SkyPanelError):
    """The CA refused, or did not answer. The message has its words; `code` is the type of the problem (RFC 8555, 6.7), if it sent one.

    `retry_after` is how long to wait, if the CA said.
    """

    def __init__(self, message: str, hint: str = "", *, code: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(message, hint)
        self.code = code
        self.retry_after = retry_after


def read_directory(text: str) -> str:
    """Return the URL of an ACME directory; an empty text turns ACME off. Raises Invalid."""
    url = DIRECTORIES.get(text, text)
    if url and (not _DIRECTORY.fullmatch(url) or len(url) > MAX_URL):
        raise Invalid(
            f"{printable(text)} is not the URL of an ACME directory.", f"Write {', '.join(DIRECTORIES)} or https://ca.example.com/directory"
        )
    return url


def read_contact(text: str) -> str:
    """Return the address that the CA gets, or an empty text. Raises Invalid."""
    return check_email(text) if text else text


def read_eab_kid(text: str) -> str:
    """Return the key id of an account at the CA, or an empty text. Raises Invalid."""
    if text and not _KID.fullmatch(text):
        raise Invalid("This is not a key id.", "Copy it from the CA: up to 200 letters, digits and signs, and no spaces.")
    return text


def read_eab_key(text: str) -> str:
    """Return the HMAC key of an account at the CA, or an empty text. Raises Invalid, whose message never shows it."""
    if text and not _BASE64URL.fullmatch(text):
        raise Invalid("This is not an HMAC key.", "Copy it from the CA: letters, digits, - and _, in base64url.")
    return text


def read_bundle(text: str) -> str:
    """Return CA certificates as PEM. Line breaks may be spaces, as forms make them. Raises Invalid."""
    if not text:
        return text
    bodies = _PEM.findall(text)
    if not bodies or _PEM.sub("", text).strip() or len(text) > MAX_BUNDLE:
        raise Invalid("These are not certificates.", "Write them in PEM: -----BEGIN CERTIFICATE----- ... -----END CERTIFICATE-----")
    return "".join(_wrapped("".join(body.split())) for body in bodies)


def _wrapped(body: str) -> str:
    lines = (body[start : start + 64] for start in range(0, len(body), 64))
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))
