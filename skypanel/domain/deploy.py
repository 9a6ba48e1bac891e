"""One attempt to change the running release, from its build to the end of its rollout."""

from dataclasses import dataclass
from enum import StrEnum

from skypanel.domain.app import App
from skypanel.domain.build import Build, BuildState
from skypanel.domain.ids import AccountId
from skypanel.domain.output import Stream, build_stream, rollout_stream
from skypanel.domain.release import Release, Rollout, RolloutState


class DeployState(StrEnum):
    """The state of a deploy, as pages and messages name it."""

    QUEUED = "queued"
    BUILDING = "building"
    LAUNCHING = "launching"
    LIVE = "live"
    FAILED = "failed"
    SUPERSEDED = "superseded"

    @property
    def finished(self) -> bool:
        """Whether this state is final."""
        return self in {DeployState.LIVE, DeployState.FAILED, DeployState.SUPERSEDED}


_BUILD = {BuildState.PENDING: DeployState.QUEUED, BuildState.BUILDING: DeployState.BUILDING}
_ROLLOUT = {
    RolloutState.PENDING: DeployState.LAUNCHING,
    RolloutState.RUNNING: DeployState.LAUNCHING,
    RolloutState.SUCCEEDED: DeployState.LIVE,
    RolloutState.FAILED: DeployState.FAILED,
    RolloutState.SUPERSEDED: DeployState.SUPERSEDED,
}


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
        if self.build is not None and not self.build.state.finished:
            return _BUILD[self.build.state]
        return _ROLLOUT[self.rollout.state] if self.rollout else DeployState.FAILED

    @property
    def account_id(self) -> AccountId | None:
        """The account that requested it."""
        asked = self.build or self.release
        return asked.account_id if asked else None

    @property
    def error(self) -> str | None:
        """Why it failed, or None."""
        return (self.build and self.build.error) or (self.release and self.release.error) or None

    def streams(self) -> tuple[tuple[Stream, bool], ...]:
        """Return its output streams in order, each with whether its writer has finished."""
        of_build = ((build_stream(self.build.id), self.build.state.finished),) if self.build else ()
        return (*of_build, *(((rollout_stream(self.rollout.id), self.rollout.state.finished),) if self.rollout else ()))
