"""Accounts, their SSH keys and API tokens, and organizations."""

from dataclasses import dataclass
from datetime import datetime

from skypanel.domain.ids import AccountId, KeyId, OrganizationId, TokenId
from skypanel.domain.suspension import Suspension, suspension


@dataclass(frozen=True)
class Account:
    """A person who signs in. Administrators manage the panel."""

    id: AccountId
    email: str
    is_admin: bool = False


@dataclass(frozen=True)
class AccountEntry:
    """An account with its ways to sign in: a password, and the number of its SSH keys and API tokens.

    An account that is disabled since `disabled_at` cannot use any of them.
    """

    account: Account
    created_at: datetime
    has_password: bool
    keys: int
    tokens: int
    organizations: int = 0
    disabled_at: datetime | None = None


@dataclass(frozen=True)
class Organization:
    """Owns apps and pays for them, unless it is not `billed`.

    Its apps do not run while it is `unpaid` (its wallet is empty) or `held` (an administrator suspended it).
    """

    id: OrganizationId
    name: str
    billed: bool
    unpaid: bool = False
    held: bool = False

    @property
    def suspension(self) -> Suspension | None:
        """Why its apps do not run, or None if they may."""
        return suspension(held=self.held, unpaid=self.unpaid)


@dataclass(frozen=True)
class PublicKey:
    """An SSH public key: its line in OpenSSH's format, its fingerprint (SHA256:...) and a name."""

    text: str
    fingerprint: str
    name: str


@dataclass(frozen=True)
class Key:
    """A stored SSH key: `public_key` is a line in OpenSSH's format, `fingerprint` is what `ssh-keygen -l` prints."""

    id: KeyId
    account_id: AccountId
    fingerprint: str
    public_key: str
    name: str
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True)
class Token:
    """An API token. Only its SHA-256 is stored. Without `expires_at` it is valid until it is revoked."""

    id: TokenId
    account_id: AccountId
    description: str
    scope: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
