"""Builds and rollouts that run or wait, as administrators see them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class JobKind(StrEnum):
    """What a job is."""

    BUILD = "build"
    ROLLOUT = "rollout"


@dataclass(frozen=True)
class Job:
    """A build or rollout that runs or waits. `started_at` is when a worker claimed it; `email` is who asked for it."""

    id: UUID
    kind: JobKind
    app: str
    organization: str
    reason: str
    is_running: bool
    created_at: datetime
    started_at: datetime | None
    worker: str | None
    attempt: int
    email: str | None

    @property
    def since(self) -> datetime:
        """Since when it runs or waits."""
        return self.started_at if self.is_running and self.started_at else self.created_at


@dataclass(frozen=True)
class JobCounts:
    """How many builds and rollouts run, and how many wait."""

    running: int
    waiting: int
