from uuid import uuid4

import pytest

from skypanel.domain.access import LEAST_ROLE, Action, Role, allows, covers, managing, read_role, runs_platform
from skypanel.domain.account import Account
from skypanel.domain.errors import Invalid


@pytest.mark.parametrize("action", Action)
def test_nobody_else_may_do_anything(action):
    assert not allows(None, action)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_each_role_may_what_lower_roles_may(role, action):
    assert allows(role, action) == (role >= LEAST_ROLE[action])
    assert allows(Role.OWNER, action)


def test_viewers_only_look():
    assert {action for action in Action if allows(Role.VIEWER, action)} == MAY[Role.VIEWER]


def test_what_scopes_are_good_for():
    assert {action for action in Action if covers("read", action)} == {Action.VIEW_APP, Action.FETCH, Action.VIEW_MEMBERS}
    assert all(covers(scope, action) for scope in ("global", "write") for action in Action)
    assert not any(covers(scope, action) for scope in ("identity", "", "GLOBAL") for action in Action)


def test_administrators_run_the_platform_and_nobody_else():
    assert runs_platform(Account(uuid4(), "ada@example.com", is_admin=True))
    assert not runs_platform(Account(uuid4(), "bob@example.com"))


# Who may do what, once more and by hand: a change of the rulebook shows here.
MAY = {
    Role.VIEWER: {Action.VIEW_APP, Action.FETCH, Action.VIEW_MEMBERS, Action.VIEW_ACTIVITY},
    Role.DEVELOPER: {
        Action.PUSH,
        Action.CREATE_APP,
        Action.CONFIGURE_APP,
        Action.SCALE_APP,
        Action.MAINTAIN_APP,
        Action.ROLL_BACK,
        Action.RUN,
    },
    Role.ADMIN: {
        Action.SHARE_APP,
        Action.RENAME_APP,
        Action.DESTROY_APP,
        Action.TRANSFER_APP,
        Action.VIEW_WALLET,
        Action.MANAGE_ALERTS,
        Action.MANAGE_MEMBERS,
    },
    Role.OWNER: {Action.MANAGE_OWNERS, Action.RENAME_ORGANIZATION, Action.DELETE_ORGANIZATION},
}


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_role_by_action(role, action):
    assert allows(role, action) == any(action in MAY[lower] for lower in Role if lower <= role)


def test_owners_are_made_and_unmade_by_owners():
    assert managing(Role.OWNER, Role.VIEWER) is managing(None, Role.OWNER) is Action.MANAGE_OWNERS
    assert managing(Role.ADMIN, Role.DEVELOPER) is managing(None, Role.VIEWER) is Action.MANAGE_MEMBERS


def test_roles_are_read_by_their_words():
    assert [read_role(role.word) for role in Role] == list(Role)
    for word, highest in (("Owner", Role.OWNER), ("", Role.OWNER), ("admin", Role.DEVELOPER)):
        with pytest.raises(Invalid, match="viewer, developer"):
            read_role(word, highest)
