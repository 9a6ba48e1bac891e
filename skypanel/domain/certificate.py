"""Certificates, and the orders that a certificate authority issues them for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from skypanel.domain.domains import WILDCARD
from skypanel.domain.errors import Invalid, SkyPanelError
from skypanel.domain.ids import AcmeAccountId, AppId, CertificateId
from skypanel.domain.names import check_email, printable

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
# What an administrator can write instead of these URLs.
DIRECTORIES = {"letsencrypt": LETS_ENCRYPT, "letsencrypt-staging": LETS_ENCRYPT_STAGING}

CHALLENGE_PATH = "/.well-known/acme-challenge/"
MAX_URL = 500
MAX_BUNDLE = 100_000

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(days=1)
# How long a CA may take to check a challenge or to sign, and how often it is asked meanwhile if it names no time.
ORDER_LIFE = timedelta(hours=1)
POLL_PAUSE = timedelta(seconds=1)
# Let's Encrypt counts new orders of an account in this time, and so does the panel those of an organization.
ORDERS_WINDOW = timedelta(hours=3)
MAX_ORDERS = 10_000
# How long the word of a CA about renewals holds if it does not say (RFC 9773, 4.3.2).
RENEWAL_CHECK = timedelta(hours=6)
EXPIRING = timedelta(days=14)
MAX_PROBLEM = 1000

_DIRECTORY = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!-~]*)?")
_ORDERS = re.compile(r"[0-9]{1,5}")
_KID = re.compile(r"[!-~]{1,200}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{16,500}={0,2}")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


class Source(StrEnum):
    """Where a certificate comes from."""

    ACME = "acme"
    UPLOADED = "uploaded"


class Step(StrEnum):
    """What an order has reached. Each step is stored before the CA hears of the next. Only an order by DNS is ever PUBLISHED."""

    WAITING = "waiting"
    ORDERED = "ordered"
    PUBLISHED = "published"
    ANSWERED = "answered"
    FINALIZED = "finalized"


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


class CertificateState(StrEnum):
    """The state of a name's certificate, as users see it."""

    NONE = "none"
    ISSUING = "issuing"
    ACTIVE = "active"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    FAILED = "failed"


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


@dataclass(frozen=True)
class Certificate:
    """A stored certificate without its key. `chain` is PEM, the certificate of the names first."""

    id: CertificateId
    app_id: AppId | None
    source: Source
    chain: str
    facts: Facts
    created_at: datetime
    renew_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def name(self) -> str:
        """What people and clients call it."""
        return f"certificate-{self.id.hex[-8:]}"


@dataclass(frozen=True)
class Parties:
    """Who a certificate is for and who issued it, as distinguished names (RFC 4514). `is_trusted` is whether this machine trusts it."""

    subject: str
    issuer: str
    is_trusted: bool


@dataclass(frozen=True)
class KeyPair:
    """A certificate with its chain and its private key, both PEM, as a proxy needs them.

    `is_for_browsers` is false if it was issued to try the panel out.
    """

    names: tuple[str, ...]
    chain: str
    key: str = field(repr=False)
    is_for_browsers: bool = True


@dataclass(frozen=True)
class Order:
    """What the panel knows of an order for one name, which a worker holds. `attempt` is its fencing token.

    `secret` is the encrypted key of the certificate. `account_id` and what follows belong to an order that the CA knows.
    """

    name: str
    app_id: AppId | None
    attempt: int
    step: Step
    failures: int
    started_at: datetime | None
    secret: bytes = field(repr=False)
    account_id: AcmeAccountId | None = None
    url: str = ""
    finalize_url: str = ""
    challenge_url: str = ""
    token: str = ""
    proof: str = ""

    @property
    def kind(self) -> ChallengeKind:
        """How the name is proved: a CA takes nothing but DNS for a wildcard."""
        return ChallengeKind.DNS if self.name.startswith(WILDCARD) else ChallengeKind.HTTP


@dataclass(frozen=True)
class NameCertificate:
    """What users see of a name's certificate. `problem` is why the last order failed, and `next_attempt_at` when it is tried again.

    `certificate` is the one that the proxies show, if there is one.
    """

    state: CertificateState
    until: datetime | None = None
    problem: str = ""
    next_attempt_at: datetime | None = None
    certificate: Certificate | None = None


UNCERTIFIED = NameCertificate(CertificateState.NONE)


class AuthorityError(SkyPanelError):
    """The CA refused, or did not answer. The message has its words; `code` is the type of the problem (RFC 8555, 6.7), if it sent one.

    `retry_after` is how long to wait, if the CA said.
    """

    def __init__(self, message: str, hint: str = "", *, code: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(message, hint)
        self.code = code
        self.retry_after = retry_after


def authority_of(values: Mapping[str, object]) -> Authority | None:
    """Return the CA that the settings choose, or None if certificates are not issued automatically."""
    if not values["acme_directory"]:
        return None
    return Authority(*(str(values[f"acme_{name}"]) for name in ("directory", "email", "eab_kid", "eab_key", "ca_bundle")))


def has_public_names(domain: str) -> bool:
    """Whether a CA can check names below a domain: it cannot those of localhost (RFC 6761, 6.3)."""
    return f".{domain}".rpartition(".")[2] != "localhost"


def read_directory(text: str) -> str:
    """Return the URL of an ACME directory; an empty text turns ACME off. Raises Invalid."""
    url = DIRECTORIES.get(text, text)
    if url and (not _DIRECTORY.fullmatch(url) or len(url) > MAX_URL):
        raise Invalid(
            f"{printable(text)} is not the URL of an ACME directory.", f"Write {', '.join(DIRECTORIES)} or https://ca.example.com/directory"
        )
    return url


def read_orders(text: str) -> int:
    """Return how many certificates an organization may order at a time. Raises Invalid."""
    if not _ORDERS.fullmatch(text) or not 1 <= int(text) <= MAX_ORDERS:
        raise Invalid(f"{printable(text)} is not a number of certificates.", f"Write a number from 1 to {MAX_ORDERS}.")
    return int(text)


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


def pause(failures: int, retry_after: timedelta | None = None) -> timedelta:
    """Return how long to wait after failures in a row: 1 minute, then 2, 4 and so on up to a day. The CA may ask for more."""
    own = min(FIRST_PAUSE * (1 << min(failures - 1, 20)), LONGEST_PAUSE)
    return own if retry_after is None else max(own, retry_after)


def two_thirds(facts: Facts) -> datetime:
    """Return when to renew a certificate whose CA does not say: after two thirds of its life."""
    return facts.not_before + (facts.not_after - facts.not_before) * 2 / 3


def renewal(facts: Facts, info: RenewalInfo | None) -> datetime:
    """Return when to renew a certificate. A CA that always says "now" is heard once a day, so that it is not flooded with orders."""
    return two_thirds(facts) if info is None else max(info.renew_at, facts.not_before + LONGEST_PAUSE)


def state_of(not_after: datetime | None, renew_at: datetime | None, problem: str, now: datetime, *, ordered: bool) -> CertificateState:
    """Return the state of a name: that of its certificate, if there is a valid one, else that of its order."""
    if not_after is not None and not_after > now:
        is_late = renew_at is None or bool(problem)
        life_left = not_after - now
        return CertificateState.EXPIRING if is_late and life_left < EXPIRING else CertificateState.ACTIVE
    if problem:
        return CertificateState.FAILED
    if ordered:
        return CertificateState.ISSUING
    return CertificateState.EXPIRED if not_after is not None else CertificateState.NONE
