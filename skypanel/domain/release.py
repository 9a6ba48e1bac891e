"""What can run: a slug with a config version."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from skypanel.domain.ids import AccountId, AppId, BuildId, ConfigVersionId, ReleaseId, RolloutId, SlugId


class ReleaseState(StrEnum):
    """Where a release stands; a superseded one was overtaken before it went live."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"

    @property
    def finished(self) -> bool:
        """Whether its rollout has come to an end."""
        return self is not ReleaseState.PENDING


@dataclass(frozen=True)
class Release:
    """The immutable `v<version>` of an app. It has no slug until something was built."""

    id: ReleaseId
    app_id: AppId
    version: int
    slug_id: SlugId | None
    config_version_id: ConfigVersionId
    state: ReleaseState
    description: str
    account_id: AccountId | None
    build_id: BuildId | None
    created_at: datetime
    error: str | None = None

    @property
    def proven_slug_id(self) -> SlugId | None:
        """The slug that it went live with, which may be released again."""
        return self.slug_id if self.state is ReleaseState.SUCCEEDED else None


class RolloutState(StrEnum):
    """Where a rollout stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self not in {RolloutState.PENDING, RolloutState.RUNNING}


class RolloutReason(StrEnum):
    """Why an app converges anew; only a new release runs the release phase."""

    RELEASE = "release"
    SCALE = "scale"
    RESTART = "restart"
    REPAIR = "repair"


@dataclass(frozen=True)
class Rollout:
    """The making live of one release; `attempt` fences off workers that lost their lease."""

    id: RolloutId
    app_id: AppId
    release_id: ReleaseId
    reason: RolloutReason
    state: RolloutState
    attempt: int
