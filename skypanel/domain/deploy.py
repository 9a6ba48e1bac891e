"""One attempt to change the running release, from its build to the end of its rollout."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from skypanel.domain.app import App
from skypanel.domain.build import Build, BuildState
from skypanel.domain.ids import AccountId, DeployId
from skypanel.domain.output import Stream, build_stream, rollout_stream
from skypanel.domain.release import Release, Rollout, RolloutState


class DeployState(StrEnum):
    """The state of a deploy, as pages and messages name it."""

    QUEUED = "queued"
    BUILDING = "building"
    LAUNCHING = "launching"
    LIVE = "live"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def finished(self) -> bool:
        """Whether this state is final."""
        return self not in {DeployState.QUEUED, DeployState.BUILDING, DeployState.LAUNCHING}


_BUILD = {BuildState.PENDING: DeployState.QUEUED, BuildState.BUILDING: DeployState.BUILDING}
_ROLLOUT = {
    RolloutState.PENDING: DeployState.LAUNCHING,
    RolloutState.RUNNING: DeployState.LAUNCHING,
    RolloutState.SUCCEEDED: DeployState.LIVE,
    RolloutState.FAILED: DeployState.FAILED,
    RolloutState.SUPERSEDED: DeployState.SUPERSEDED,
}


def state_of(build: BuildState | None, rollout: RolloutState | None, *, is_cancelled: bool = False) -> DeployState:
    """Return the state of a deploy by those of its build and rollout. A deploy that was cancelled too late went live nevertheless."""
    if build is not None and not build.finished:
        return _BUILD[build]
    state = _ROLLOUT[rollout] if rollout else DeployState.FAILED
    return DeployState.CANCELLED if is_cancelled and state is DeployState.FAILED else state


@dataclass(frozen=True)
class Phase:
    """A part of a deploy; `took` is None while it goes on."""

    name: str
    began_at: datetime
    took: timedelta | None


@dataclass(frozen=True)
class Deploy:
    """A build with its release and rollout. Without a build it is a release and rollout of an earlier slug."""

    app: App
    build: Build | None
    release: Release | None
    rollout: Rollout | None

    @property
    def state(self) -> DeployState:
        """The state, derived from the build and the rollout."""
        is_cancelled = any(part is not None and part.cancelled_at is not None for part in (self.build, self.rollout))
        build = self.build.state if self.build else None
        return state_of(build, self.rollout.state if self.rollout else None, is_cancelled=is_cancelled)

    @property
    def id(self) -> DeployId | None:
        """The id of its build, or without one that of its release."""
        made = self.build or self.release
        return made.id if made else None

    @property
    def account_id(self) -> AccountId | None:
        """The account that requested it."""
        asked = self.build or self.release
        return asked.account_id if asked else None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What it did and does, in order: the build and the rollout, each after a wait for a worker."""
        return (*_phases("Waiting to build", "Build", self.build), *_phases("Waiting to launch", "Launch", self.rollout))

    @property
    def error(self) -> str | None:
        """Why it failed, or None."""
        return (self.build and self.build.error) or (self.release and self.release.error) or None

    def streams(self) -> tuple[tuple[Stream, bool], ...]:
        """Return its output streams in order, each with whether its writer has finished."""
        of_build = ((build_stream(self.build.id), self.build.state.finished),) if self.build else ()
        return (*of_build, *(((rollout_stream(self.rollout.id), self.rollout.state.finished),) if self.rollout else ()))


def _phases(waiting: str, working: str, job: Build | Rollout | None) -> tuple[Phase, ...]:
    if job is None or job.created_at is None:
        return ()
    begun = job.started_at or job.finished_at
    wait = Phase(waiting, job.created_at, begun - job.created_at if begun else None)
    if job.started_at is None:
        return (wait,)
    return wait, Phase(working, job.started_at, job.finished_at - job.started_at if job.finished_at else None)
