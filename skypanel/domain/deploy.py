"""One attempt to change what serves, from its build to the end of its rollout."""

from dataclasses import dataclass
from enum import StrEnum

from skypanel.domain.app import App
from skypanel.domain.build import Build, BuildState
from skypanel.domain.ids import AccountId
from skypanel.domain.output import Stream, build_stream, rollout_stream
from skypanel.domain.release import Release, Rollout, RolloutState


class DeployState(StrEnum):
    """Where a deploy stands, in the words of the pages."""

    QUEUED = "queued"
    BUILDING = "building"
    LAUNCHING = "launching"
    LIVE = "live"
    FAILED = "failed"
    SUPERSEDED = "superseded"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
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
    """A build with the release and rollout that came of it, or those of what was built before."""

    app: App
    build: Build | None
    release: Release | None
    rollout: Rollout | None

    @property
    def state(self) -> DeployState:
        """Where it stands."""
        if self.build is not None and not self.build.state.finished:
            return _BUILD[self.build.state]
        return _ROLLOUT[self.rollout.state] if self.rollout else DeployState.FAILED

    @property
    def account_id(self) -> AccountId | None:
        """Who asked for it."""
        asked = self.build or self.release
        return asked.account_id if asked else None

    @property
    def error(self) -> str | None:
        """What went wrong."""
        return (self.build and self.build.error) or (self.release and self.release.error) or None

    def streams(self) -> tuple[tuple[Stream, bool], ...]:
        """Return the streams of its output in their order, and of each whether its writer has finished."""
        of_build = ((build_stream(self.build.id), self.build.state.finished),) if self.build else ()
        return (*of_build, *(((rollout_stream(self.rollout.id), self.rollout.state.finished),) if self.rollout else ()))
