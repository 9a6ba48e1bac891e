from uuid import uuid4

import pytest

from skypanel.domain.access import LEAST_ROLE, Action, Role, allows, covers, runs_platform
from skypanel.domain.account import Account


@pytest.mark.parametrize("action", Action)
def test_nobody_else_may_do_anything(action):
    assert not allows(None, action)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_each_role_may_what_lower_roles_may(role, action):
    assert allows(role, action) == (role >= LEAST_ROLE[action])
    assert allows(Role.OWNER, action)


def test_viewers_only_look():
    assert {action for action in Action if allows(Role.VIEWER, action)} == {Action.VIEW_APP, Action.FETCH}


def test_what_scopes_are_good_for():
    assert {action for action in Action if covers("read", action)} == {Action.VIEW_APP, Action.FETCH}
    assert all(covers(scope, action) for scope in ("global", "write") for action in Action)
    assert not any(covers(scope, action) for scope in ("identity", "", "GLOBAL") for action in Action)


def test_administrators_run_the_platform_and_nobody_else():
    assert runs_platform(Account(uuid4(), "ada@example.com", is_admin=True))
    assert not runs_platform(Account(uuid4(), "bob@example.com"))
