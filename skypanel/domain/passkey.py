"""Passkeys (Web Authentication, https://www.w3.org/TR/webauthn-3/)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AccountId, PasskeyId

CHALLENGE_LIFE = timedelta(minutes=5)
MAX_NAME = 60
MAX_PASSKEYS = 20


@dataclass(frozen=True)
class RelyingParty:
    """The site that a passkey is for: its hostname, and the origin that browsers name."""

    host: str
    origin: str


@dataclass(frozen=True)
class Credential:
    """What a browser made: an id, a public key in COSE's form, and how often it signed."""

    id: bytes
    public_key: bytes
    sign_count: int


@dataclass(frozen=True)
class Passkey:
    """A stored passkey of an account."""

    id: PasskeyId
    account_id: AccountId
    credential: Credential
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True)
class Question:
    """What a browser is asked: its options as JSON, and the sealed challenge, which comes back with the answer."""

    options: str
    challenge: str


def check_name(name: str) -> str:
    """Return the name of a passkey. Raises Invalid."""
    name = name.strip()
    if not name or not name.isprintable() or len(name) > MAX_NAME:
        raise Invalid(
            "This is not a valid name of a passkey.", f"Write up to {MAX_NAME} characters that say where it is: a laptop, a phone."
        )
    return name
