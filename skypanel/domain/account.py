"""People, and the organizations they act for."""

from dataclasses import dataclass
from datetime import datetime

from skypanel.domain.ids import AccountId, KeyId, OrganizationId, TokenId
from skypanel.domain.suspension import Suspension, suspension


@dataclass(frozen=True)
class Account:
    """Somebody who signs in. Administrators run the platform."""

    id: AccountId
    email: str
    is_admin: bool = False


@dataclass(frozen=True)
class AccountEntry:
    """An account, and by what somebody can get in as it: a password, so many SSH keys and API tokens."""

    account: Account
    created_at: datetime
    has_password: bool
    keys: int
    tokens: int


@dataclass(frozen=True)
class Organization:
    """Who owns apps and pays for them; an unbilled one never pays.

    The apps of an `unpaid` one do not run, as it has nothing left; those of a `held` one, as an administrator wants it so.
    """

    id: OrganizationId
    name: str
    billed: bool
    unpaid: bool = False
    held: bool = False

    @property
    def suspension(self) -> Suspension | None:
        """Why its apps do not run, if so."""
        return suspension(held=self.held, unpaid=self.unpaid)


@dataclass(frozen=True)
class PublicKey:
    """An SSH public key: one line as OpenSSH writes it, its fingerprint (SHA256:...) and a name."""

    text: str
    fingerprint: str
    name: str


@dataclass(frozen=True)
class Key:
    """An SSH key; `public_key` is its line in OpenSSH's form, `fingerprint` as `ssh-keygen -l` prints it."""

    id: KeyId
    account_id: AccountId
    fingerprint: str
    public_key: str
    name: str
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True)
class Token:
    """An API token, of which only the SHA-256 is kept; one without `expires_at` is good until it is revoked."""

    id: TokenId
    account_id: AccountId
    description: str
    scope: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
