"""Accounts, their SSH keys and API tokens."""

from datetime import datetime

from skypanel.domain.account import Account as Known
from skypanel.domain.account import AccountEntry as Entry
from skypanel.domain.account import Key as KnownKey
from skypanel.domain.account import Token
from web.api.resources.common import Count, Email, Id, Resource, Time, Url, time


class Account(Resource):
    """Who calls."""

    id: Id
    email: Email
    name: str | None = None
    country_of_residence: None = None
    delinquent_at: None = None
    identity_provider: None = None
    last_login: None = None
    sms_number: None = None
    suspended_at: None = None
    allow_tracking: bool = False
    beta: bool = False
    default_organization: None = None
    default_team: None = None
    federated: bool = False
    two_factor_authentication: bool = False
    verified: bool = True


class AccountEntry(Resource):
    """An account, for administrators."""

    id: Id
    email: str
    administrator: bool
    created_at: Time
    has_password: bool
    keys: Count
    authorizations: Count
    disabled_at: Time | None


class Admission(AccountEntry):
    """Such an account with a link by which somebody signs in as it."""

    sign_in_url: Url


class Key(Resource):
    """An SSH key. The comment is its name; the Heroku CLI shows it and removes keys by it."""

    id: Id
    comment: str
    created_at: Time
    email: str
    fingerprint: str
    public_key: str
    updated_at: Time


class AccessToken(Resource):
    """An API token. The token itself is only in the answer that creates it, and in requests that use it."""

    id: Id
    expires_in: int | None
    token: str


class Holder(Resource):
    """The owner of an API token."""

    id: Id
    email: Email
    full_name: str | None = None


class Authorization(Resource, kw_only=True):
    """An API token, with its description and scope."""

    id: Id
    access_token: AccessToken
    client: None = None
    created_at: Time
    description: str
    grant: None = None
    refresh_token: None = None
    scope: list[str]
    session: None = None
    updated_at: Time
    user: Holder


class Session(Resource):
    """The revoked API token of this request."""

    id: Id
    description: str = "Session"
    expires_in: Count = 0


def account(of: Known, *, has_two_factor: bool) -> Account:
    """Return the caller's account."""
    return Account(id=str(of.id), email=of.email, two_factor_authentication=has_two_factor)


def account_entry(of: Entry) -> AccountEntry:
    """Return an account as administrators see it."""
    return AccountEntry(
        id=str(of.account.id),
        email=of.account.email,
        administrator=of.account.is_admin,
        created_at=time(of.created_at),
        has_password=of.has_password,
        keys=of.keys,
        authorizations=of.tokens,
        disabled_at=None if of.disabled_at is None else time(of.disabled_at),
    )


def admission(of: Entry, url: str) -> Admission:
    """Return an account with its sign-in link."""
    entry = account_entry(of)
    return Admission(**{name: getattr(entry, name) for name in entry.__struct_fields__}, sign_in_url=url)


def key(of: KnownKey, email: str) -> Key:
    """Return an SSH key."""
    line = of.public_key.split()
    return Key(
        id=str(of.id),
        comment=of.name,
        created_at=time(of.created_at),
        email=email,
        fingerprint=of.fingerprint,
        public_key=" ".join((*line[:2], of.name)),
        updated_at=time(of.created_at),
    )


def authorization(of: Token, user: Known, now: datetime, secret: str | None = None) -> Authorization:
    """Return an API token."""
    expires_in = int((of.expires_at - now).total_seconds()) if of.expires_at else None
    return Authorization(
        id=str(of.id),
        access_token=AccessToken(id=str(of.id), expires_in=expires_in, token=secret or ""),
        created_at=time(of.created_at),
        description=of.description,
        scope=[of.scope],
        updated_at=time(of.last_used_at or of.created_at),
        user=Holder(id=str(user.id), email=user.email),
    )
