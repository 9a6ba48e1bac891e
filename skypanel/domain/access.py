"""Who may do what: the only rulebook."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from skypanel.domain import names
from skypanel.domain.account import Account
from skypanel.domain.errors import Denied, Invalid


class Role(IntEnum):
    """A membership's rank; each rank may do all that the ranks below it may."""

    VIEWER = 1
    DEVELOPER = 2
    ADMIN = 3
    OWNER = 4

    @property
    def word(self) -> str:
        """The role as it is typed and shown."""
        return self.name.lower()


@dataclass(frozen=True)
class Member:
    """Somebody who may act for an organization, or for one app."""

    account: Account
    role: Role
    since: datetime


class Action(StrEnum):
    """What can be done to an app or an organization."""

    VIEW_APP = "view_app"
    FETCH = "fetch"
    PUSH = "push"
    CREATE_APP = "create_app"
    CONFIGURE_APP = "configure_app"
    SCALE_APP = "scale_app"
    MAINTAIN_APP = "maintain_app"
    ROLL_BACK = "roll_back"
    RUN = "run"
    SHARE_APP = "share_app"
    RENAME_APP = "rename_app"
    DESTROY_APP = "destroy_app"
    TRANSFER_APP = "transfer_app"
    VIEW_MEMBERS = "view_members"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_OWNERS = "manage_owners"
    DELETE_ORGANIZATION = "delete_organization"


class AccountAction(StrEnum):
    """What an account can do about itself, and administrators about all accounts; a role has no say in it."""

    VIEW_ACCOUNT = "view_account"
    CHANGE_ACCOUNT = "change_account"
    MANAGE_ACCOUNTS = "manage_accounts"


LEAST_ROLE = {
    Action.VIEW_APP: Role.VIEWER,
    Action.FETCH: Role.VIEWER,
    Action.PUSH: Role.DEVELOPER,
    Action.CREATE_APP: Role.DEVELOPER,
    Action.CONFIGURE_APP: Role.DEVELOPER,
    Action.SCALE_APP: Role.DEVELOPER,
    Action.MAINTAIN_APP: Role.DEVELOPER,
    Action.ROLL_BACK: Role.DEVELOPER,
    Action.RUN: Role.DEVELOPER,
    Action.SHARE_APP: Role.ADMIN,
    Action.RENAME_APP: Role.ADMIN,
    Action.DESTROY_APP: Role.ADMIN,
    # Out of an organization, and into one.
    Action.TRANSFER_APP: Role.ADMIN,
    Action.VIEW_MEMBERS: Role.VIEWER,
    Action.MANAGE_MEMBERS: Role.ADMIN,
    Action.MANAGE_OWNERS: Role.OWNER,
    Action.DELETE_ORGANIZATION: Role.OWNER,
}


# One who is no member of an app's organization may be at most this for one app of it.
HIGHEST_COLLABORATOR = Role.DEVELOPER


class Scope(StrEnum):
    """What an API token is good for, by Heroku's words (https://devcenter.heroku.com/articles/oauth#scopes)."""

    GLOBAL = "global"
    WRITE = "write"
    READ = "read"
    IDENTITY = "identity"


SCOPES: dict[str, frozenset[Action | AccountAction]] = {
    Scope.GLOBAL: frozenset(Action) | frozenset(AccountAction),
    Scope.WRITE: frozenset(Action) | {AccountAction.VIEW_ACCOUNT},
    Scope.READ: frozenset({Action.VIEW_APP, Action.FETCH, Action.VIEW_MEMBERS, AccountAction.VIEW_ACCOUNT}),
    Scope.IDENTITY: frozenset({AccountAction.VIEW_ACCOUNT}),
}


def covers(scope: str, action: Action | AccountAction) -> bool:
    """Whether a token of `scope` is good for `action`; a scope that is not known is good for nothing."""
    return action in SCOPES.get(scope, frozenset())


def allows(role: Role | None, action: Action) -> bool:
    """Whether a member with `role` may do `action`; None is somebody who is no member."""
    return role is not None and role >= LEAST_ROLE[action]


def read_role(word: str, highest: Role = Role.OWNER) -> Role:
    """Return the role of a word, at most `highest`. Raises Invalid with those there are."""
    known = {role.word: role for role in Role if role <= highest}
    if word not in known:
        raise Invalid(f"{names.printable(word)} is no role here.", f"Choose one of {', '.join(known)}.")
    return known[word]


def managing(*roles: Role | None) -> Action:
    """Return what it takes to change a member's role from or to `roles`: owners are made and unmade by owners only."""
    return Action.MANAGE_OWNERS if Role.OWNER in roles else Action.MANAGE_MEMBERS


def check_admin(account: Account) -> None:
    """Raise Denied unless the account runs the platform."""
    if not account.is_admin:
        raise Denied("Only an administrator of this panel may do that.", "Ask one.")


def check_account(by: Account, account: Account) -> None:
    """Raise Denied unless an account is one's own, or one runs the platform."""
    if by.id != account.id:
        check_admin(by)


def runs_platform(account: Account) -> bool:
    """Whether an account may do what concerns the platform as a whole, such as adding and removing its nodes."""
    return account.is_admin
