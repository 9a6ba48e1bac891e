"""A summary of an app."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from skypanel.domain.app import App
from skypanel.domain.manifest import Dyno, DynoState
from skypanel.domain.release import Release


class AppState(StrEnum):
    """The state of an app, as one word."""

    NEW = "new"
    DEPLOYING = "deploying"
    SUSPENDED = "suspended"
    MAINTENANCE = "maintenance"
    STOPPED = "stopped"
    CRASHED = "crashed"
    STARTING = "starting"
    UP = "up"


class AppOrder(StrEnum):
    """How a list of apps is sorted: failures first, by name, or the last release first."""

    STATE = "state"
    NAME = "name"
    DEPLOYED = "deployed"


# What needs somebody comes first.
_URGENCY = (
    AppState.CRASHED,
    AppState.SUSPENDED,
    AppState.DEPLOYING,
    AppState.STARTING,
    AppState.MAINTENANCE,
    AppState.STOPPED,
    AppState.NEW,
    AppState.UP,
)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

# The worst first. A stopping dyno does not count.
_WORST = ((DynoState.CRASHED, AppState.CRASHED), (DynoState.STARTING, AppState.STARTING), (DynoState.UP, AppState.UP))


@dataclass(frozen=True)
class AppOverview:
    """An app as lists show it; `release` is the current one."""

    app: App
    release: Release | None
    dynos: Sequence[Dyno]
    url: str
    is_deploying: bool

    @property
    def state(self) -> AppState:
        """The state of its worst dyno, unless it is being deployed, suspended or in maintenance."""
        if self.is_deploying:
            return AppState.DEPLOYING
        if self.app.suspension:
            return AppState.SUSPENDED
        if self.app.maintenance:
            return AppState.MAINTENANCE
        if self.release is None:
            return AppState.NEW
        states = {dyno.state for dyno in self.dynos}
        return next((state for worst, state in _WORST if worst in states), AppState.STOPPED)


def arranged(
    apps: Iterable[AppOverview], *, words: str = "", state: AppState | None = None, order: AppOrder = AppOrder.STATE
) -> list[AppOverview]:
    """Return the apps whose name contains `words`, in one state or any, sorted."""
    found = [each for each in apps if words.lower() in each.app.name and state in {None, each.state}]
    match order:
        case AppOrder.STATE:
            return sorted(found, key=lambda each: (_URGENCY.index(each.state), each.app.name))
        case AppOrder.NAME:
            return sorted(found, key=lambda each: each.app.name)
        case AppOrder.DEPLOYED:
            return sorted(found, key=lambda each: each.release.created_at if each.release else _LONG_AGO, reverse=True)
