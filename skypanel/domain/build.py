"""One attempt to make a slug of a source."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from skypanel.domain.ids import AccountId, AppId, BuildId, SlugId


class BuildState(StrEnum):
    """Where a build stands."""

    PENDING = "pending"
    BUILDING = "building"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self in {BuildState.SUCCEEDED, BuildState.FAILED}


MAX_LABEL = 40


class SourceKind(StrEnum):
    """How a source came: pushed, as an archive, or from a repository elsewhere."""

    GIT = "git"
    ARCHIVE = "archive"
    REMOTE = "remote"


@dataclass(frozen=True)
class Source:
    """The tree that is built, stored as the object `sources/<digest>` (a zstd tar, SHA-256 in hex).

    `commit` is the id of a commit, or what an archive's sender calls its version.
    """

    kind: SourceKind
    digest: str
    commit: str | None = None

    @property
    def label(self) -> str:
        """What it is called where there is little room."""
        if self.kind is SourceKind.ARCHIVE and self.commit:
            return self.commit[:MAX_LABEL]
        return (self.commit or self.digest)[:8]

    @property
    def origin(self) -> str:
        """How it came, in a word for people."""
        return "Archive" if self.kind is SourceKind.ARCHIVE else "Commit"


@dataclass(frozen=True)
class Build:
    """A build and its state; `attempt` counts the workers that claimed it."""

    id: BuildId
    app_id: AppId
    account_id: AccountId | None
    source: Source
    state: BuildState
    attempt: int
    created_at: datetime
    slug_id: SlugId | None = None
    error: str | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Turn:
    """Where a pending build stands: how many are ahead of it, those that run included.

    `share` is how many its organization may have at once, where it has to wait for one of these to end.
    """

    ahead: int
    share: int | None = None

    def __str__(self) -> str:
        if not self.ahead:
            return "Waiting: the next worker that is free takes this build"
        builds = "1 build" if self.ahead == 1 else f"{self.ahead} builds"
        return f"Waiting: {builds} ahead" + (f", your organization has {self.share} at once" if self.share else "")
