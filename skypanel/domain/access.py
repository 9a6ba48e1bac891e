"""Authorization: which role, scope or account may perform which action. No other module decides this."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from skypanel.domain import names
from skypanel.domain.account import Account
from skypanel.domain.errors import Denied, Invalid


class Role(IntEnum):
    """A role in an organization. Each role may do everything that the lower ones may."""

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
    """An account with its role in an organization or on one app, and the start of that role.

    `is_in_use` says whether anybody uses the account, and `has_two_factor` whether signing in to it takes a code.
    """

    account: Account
    role: Role
    since: datetime
    is_in_use: bool = True
    has_two_factor: bool = False


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
    VIEW_ACTIVITY = "view_activity"
    VIEW_WALLET = "view_wallet"
    MANAGE_ALERTS = "manage_alerts"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_OWNERS = "manage_owners"
    RENAME_ORGANIZATION = "rename_organization"
    DELETE_ORGANIZATION = "delete_organization"


class AccountAction(StrEnum):
    """What an account may do to itself, or an administrator to all accounts. Roles do not matter here."""

    VIEW_ACCOUNT = "view_account"
    CHANGE_ACCOUNT = "change_account"
    MANAGE_ACCOUNTS = "manage_accounts"
    MANAGE_PLANS = "manage_plans"


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
    # Needed in both organizations: the one that gives the app and the one that gets it.
    Action.TRANSFER_APP: Role.ADMIN,
    Action.VIEW_MEMBERS: Role.VIEWER,
    Action.VIEW_ACTIVITY: Role.VIEWER,
    Action.VIEW_WALLET: Role.ADMIN,
    Action.MANAGE_ALERTS: Role.ADMIN,
    Action.MANAGE_MEMBERS: Role.ADMIN,
    Action.MANAGE_OWNERS: Role.OWNER,
    Action.RENAME_ORGANIZATION: Role.OWNER,
    Action.DELETE_ORGANIZATION: Role.OWNER,
}


# The highest role that a person outside the organization may have on one of its apps.
HIGHEST_COLLABORATOR = Role.DEVELOPER


class Scope(StrEnum):
    """What an API token allows, named as at Heroku (https://devcenter.heroku.com/articles/oauth#scopes)."""

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
    """Whether a token with `scope` allows `action`; an unknown scope allows nothing."""
    return action in SCOPES.get(scope, frozenset())


def allows(role: Role | None, action: Action) -> bool:
    """Whether a member with `role` may do `action`; `role` is None for an account that is not a member."""
    return role is not None and role >= LEAST_ROLE[action]


def read_role(word: str, highest: Role = Role.OWNER) -> Role:
    """Return the role with this name, at most `highest`. Raises Invalid, which lists the allowed names."""
    known = {role.word: role for role in Role if role <= highest}
    if word not in known:
        raise Invalid(f"{names.printable(word)} is not a role.", f"Choose one of {', '.join(known)}.")
    return known[word]


def managing(*roles: Role | None) -> Action:
    """Return the action that a change of role from or to `roles` needs. Only owners add and remove owners."""
    return Action.MANAGE_OWNERS if Role.OWNER in roles else Action.MANAGE_MEMBERS


def check_admin(account: Account) -> None:
    """Raise Denied unless the account is an administrator of the panel."""
    if not account.is_admin:
        raise Denied("Only an administrator of this panel may do that.", "Ask one.")


def check_account(by: Account, account: Account) -> None:
    """Raise Denied unless `by` is the account itself or an administrator."""
    if by.id != account.id:
        check_admin(by)


def runs_platform(account: Account) -> bool:
    """Whether an account may manage the panel as a whole, for example add and remove nodes."""
    return account.is_admin
