"""Who may do what: the only rulebook."""

from enum import IntEnum, StrEnum

from skypanel.domain.account import Account
from skypanel.domain.errors import Denied


class Role(IntEnum):
    """A membership's rank; each rank may do all that the ranks below it may."""

    VIEWER = 1
    DEVELOPER = 2
    ADMIN = 3
    OWNER = 4


class Action(StrEnum):
    """What can be done to an app or an organization."""

    VIEW_APP = "view_app"
    FETCH = "fetch"
    PUSH = "push"
    CREATE_APP = "create_app"
    CONFIGURE_APP = "configure_app"
    SCALE_APP = "scale_app"
    ROLL_BACK = "roll_back"
    DESTROY_APP = "destroy_app"


class AccountAction(StrEnum):
    """What an account can do about itself; a role has no say in it."""

    VIEW_ACCOUNT = "view_account"
    CHANGE_ACCOUNT = "change_account"


LEAST_ROLE = {
    Action.VIEW_APP: Role.VIEWER,
    Action.FETCH: Role.VIEWER,
    Action.PUSH: Role.DEVELOPER,
    Action.CREATE_APP: Role.DEVELOPER,
    Action.CONFIGURE_APP: Role.DEVELOPER,
    Action.SCALE_APP: Role.DEVELOPER,
    Action.ROLL_BACK: Role.DEVELOPER,
    Action.DESTROY_APP: Role.ADMIN,
}


# What each scope of an API token covers (https://devcenter.heroku.com/articles/oauth#scopes).
SCOPES: dict[str, frozenset[Action | AccountAction]] = {
    "global": frozenset(Action) | frozenset(AccountAction),
    "write": frozenset(Action) | {AccountAction.VIEW_ACCOUNT},
    "read": frozenset({Action.VIEW_APP, Action.FETCH, AccountAction.VIEW_ACCOUNT}),
    "identity": frozenset({AccountAction.VIEW_ACCOUNT}),
}


def covers(scope: str, action: Action | AccountAction) -> bool:
    """Whether a token of `scope` is good for `action`; a scope that is not known is good for nothing."""
    return action in SCOPES.get(scope, frozenset())


def allows(role: Role | None, action: Action) -> bool:
    """Whether a member with `role` may do `action`; None is somebody who is no member."""
    return role is not None and role >= LEAST_ROLE[action]


def check_admin(account: Account) -> None:
    """Raise Denied unless the account runs the platform."""
    if not account.is_admin:
        raise Denied("Only an administrator of this panel may do that.", "Ask one.")
