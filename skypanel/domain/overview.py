"""A summary of an app."""

from collections.abc import Sequence
from dataclasses import dataclass
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
