"""A summary of an app."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from skypanel.domain.app import App
from skypanel.domain.manifest import Dyno, DynoState
from skypanel.domain.release import Release


class AppState(StrEnum):
    """The state of an app, as one word."""

    NEW = "new"
    FAILED = "failed"
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
_URGENCY = {
    state: place
    for place, state in enumerate(
        (
            AppState.CRASHED,
            AppState.FAILED,
            AppState.SUSPENDED,
            AppState.DEPLOYING,
            AppState.STARTING,
            AppState.MAINTENANCE,
            AppState.STOPPED,
            AppState.NEW,
            AppState.UP,
        )
    )
}

# The worst first. A stopping dyno does not count.
_WORST = ((DynoState.CRASHED, AppState.CRASHED), (DynoState.STARTING, AppState.STARTING), (DynoState.UP, AppState.UP))


@dataclass(frozen=True)
class AppOverview:
    """An app as lists show it; `release` is the current one. `has_failed` is whether it was never live and its last deploy failed."""

    app: App
    release: Release | None
    dynos: Sequence[Dyno]
    url: str
    is_deploying: bool
    has_failed: bool

    @property
    def state(self) -> AppState:
        """The state of its worst dyno, unless it is being deployed, suspended, in maintenance or was never live."""
        return _state(
            {dyno.state for dyno in self.dynos},
            is_deploying=self.is_deploying,
            is_suspended=bool(self.app.suspension),
            maintenance=self.app.maintenance,
            has_release=self.release is not None,
            has_failed=self.has_failed,
        )


class Glance(NamedTuple):
    """What an app's state and its place in a list depend on, as plain values, because a list may have thousands of rows."""

    id: str
    name: str
    organization_id: str
    has_release: bool
    maintenance: bool
    is_suspended: bool
    is_deploying: bool
    has_failed: bool

    def state(self, dynos: Collection[DynoState] = ()) -> AppState:
        """Return the state of an app with these dynos."""
        return _state(
            dynos,
            is_deploying=self.is_deploying,
            is_suspended=self.is_suspended,
            maintenance=self.maintenance,
            has_release=self.has_release,
            has_failed=self.has_failed,
        )


def _state(
    dynos: Collection[DynoState], *, is_deploying: bool, is_suspended: bool, maintenance: bool, has_release: bool, has_failed: bool
) -> AppState:
    if is_deploying:
        return AppState.DEPLOYING
    if is_suspended:
        return AppState.SUSPENDED
    if maintenance:
        return AppState.MAINTENANCE
    if has_failed:
        return AppState.FAILED
    if not has_release:
        return AppState.NEW
    return next((state for worst, state in _WORST if worst in dynos), AppState.STOPPED)


@dataclass(frozen=True)
class AppFilter:
    """Which apps a list has: those with `words` in their name, of one organization or all, in one state or any; and their order."""

    words: str = ""
    organization: str = ""
    state: AppState | None = None
    order: AppOrder = AppOrder.STATE

    def arrange(self, apps: Iterable[tuple[Glance, AppState]]) -> list[Glance]:
        """Return the wanted apps. They come sorted, except by state."""
        found = [
            (glance, state)
            for glance, state in apps
            if self.words in glance.name and self.organization in {"", glance.organization_id} and self.state in {None, state}
        ]
        if self.order is AppOrder.STATE:
            found.sort(key=lambda each: _URGENCY[each[1]])
        return [glance for glance, _ in found]
