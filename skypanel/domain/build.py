"""One attempt to make a slug from a source."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from skypanel.domain.commit import Note
from skypanel.domain.ids import AccountId, AppId, BuildId, SlugId


class BuildState(StrEnum):
    """The state of a build."""

    PENDING = "pending"
    BUILDING = "building"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def finished(self) -> bool:
        """Whether this state is final."""
        return self in {BuildState.SUCCEEDED, BuildState.FAILED}


MAX_LABEL = 40


class SourceKind(StrEnum):
    """How a source arrived: by a push, as an archive, or from a remote repository."""

    GIT = "git"
    ARCHIVE = "archive"
    REMOTE = "remote"


@dataclass(frozen=True)
class Source:
    """The file tree to build, stored as the object `sources/<digest>` (a zstd tar, SHA-256 in hex).

    `commit` is the id of a commit, or the version that the sender gave an archive. An archive has neither a branch nor a note.
    """

    kind: SourceKind
    digest: str
    commit: str | None = None
    branch: str | None = None
    note: Note | None = None

    @property
    def label(self) -> str:
        """A short name for places with little room."""
        if self.kind is SourceKind.ARCHIVE and self.commit:
            return self.commit[:MAX_LABEL]
        return (self.commit or self.digest)[:8]

    @property
    def origin(self) -> str:
        """How it arrived, as one word for people."""
        return "Archive" if self.kind is SourceKind.ARCHIVE else "Commit"


@dataclass(frozen=True)
class Build:
    """A build and its state; `attempt` counts how often workers claimed it."""

    id: BuildId
    app_id: AppId
    account_id: AccountId | None
    source: Source
    state: BuildState
    attempt: int
    created_at: datetime
    slug_id: SlugId | None = None
    error: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancelled_at: datetime | None = None


@dataclass(frozen=True)
class QueuePosition:
    """The position of a pending build: how many builds are ahead of it, including those that run.

    If it waits for its own organization's limit, `share` is how many builds that organization may run at once.
    """

    ahead: int
    share: int | None = None

    def __str__(self) -> str:
        if not self.ahead:
            return "Waiting for a free worker"
        builds = "1 build" if self.ahead == 1 else f"{self.ahead} builds"
        return f"Waiting: {builds} ahead" + (f", your organization builds at most {self.share} at once" if self.share else "")
