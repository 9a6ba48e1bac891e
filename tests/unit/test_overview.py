from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from skypanel.domain.manifest import Dyno, DynoState
from skypanel.domain.overview import AppOverview, AppState, Glance
from skypanel.domain.suspension import Suspension

UP, STARTING, CRASHED, STOPPING = DynoState.UP, DynoState.STARTING, DynoState.CRASHED, DynoState.STOPPING
RELEASE = object()


def state(*dynos, release=RELEASE, is_deploying=False, suspended=None, maintenance=False, has_failed=False):
    app = SimpleNamespace(suspension=suspended, maintenance=maintenance)
    found = AppOverview(app, release, [Dyno(None, each, datetime.now(UTC)) for each in dynos], "", is_deploying, has_failed).state
    assert Glance("", "", "", release is not None, maintenance, suspended is not None, is_deploying, has_failed).state(dynos) is found
    return found


@pytest.mark.parametrize(
    ("dynos", "wanted"),
    [
        ((UP, UP), AppState.UP),
        ((UP, STARTING), AppState.STARTING),
        ((UP, STARTING, CRASHED), AppState.CRASHED),
        ((UP, STOPPING), AppState.UP),
        ((STOPPING,), AppState.STOPPED),
        ((), AppState.STOPPED),
    ],
)
def test_an_app_does_as_its_worst_dyno(dynos, wanted):
    assert state(*dynos) is wanted


def test_what_is_done_to_an_app_says_more_than_its_dynos():
    assert state(CRASHED, release=None) is AppState.NEW
    assert state(release=None, has_failed=True) is state(has_failed=True) is AppState.FAILED
    assert state(release=None, has_failed=True, is_deploying=True) is AppState.DEPLOYING
    assert state(CRASHED, release=None, maintenance=True) is AppState.MAINTENANCE
    assert state(UP, maintenance=True, suspended=Suspension.UNPAID) is AppState.SUSPENDED
    assert state(UP, maintenance=True, suspended=Suspension.UNPAID, is_deploying=True) is AppState.DEPLOYING
