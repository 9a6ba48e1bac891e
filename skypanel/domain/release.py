"""Releases and rollouts. A release is a slug with a config version."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from skypanel.domain.ids import AccountId, AppId, BuildId, ConfigVersionId, ReleaseId, RolloutId, SlugId


class ReleaseState(StrEnum):
    """The state of a release; a newer release replaced a superseded one before it went live."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"

    @property
    def finished(self) -> bool:
        """Whether its rollout has ended."""
        return self is not ReleaseState.PENDING


@dataclass(frozen=True)
class Release:
    """The immutable `v<version>` of an app. It has no slug before the first build."""

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
        """The slug, if this release went live with it; only such a slug may be released again."""
        return self.slug_id if self.state is ReleaseState.SUCCEEDED else None


class RolloutState(StrEnum):
    """The state of a rollout."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"

    @property
    def finished(self) -> bool:
        """Whether this state is final."""
        return self not in {RolloutState.PENDING, RolloutState.RUNNING}


class RolloutReason(StrEnum):
    """Why an app needs a rollout; only a new release runs the release phase."""

    RELEASE = "release"
    SCALE = "scale"
    RESTART = "restart"
    REPAIR = "repair"


@dataclass(frozen=True)
class Rollout:
    """One attempt to make a release live, to scale or to restart; `attempt` is the fencing token."""

    id: RolloutId
    app_id: AppId
    release_id: ReleaseId
    reason: RolloutReason
    state: RolloutState
    attempt: int
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancelled_at: datetime | None = None
