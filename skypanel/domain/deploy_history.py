"""Deploys as lists show them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from skypanel.domain.build import Source
from skypanel.domain.deploy import DeployState
from skypanel.domain.ids import DeployId, ReleaseId


@dataclass(frozen=True)
class DeployEntry:
    """A build with its release, or a release of an earlier slug. Times are those of the deploy as a whole.

    `email` is None if the account that requested it is gone; `slug_bytes` is None before there is a slug.
    """

    id: DeployId
    state: DeployState
    source: Source | None
    release_id: ReleaseId | None
    version: int | None
    description: str | None
    email: str | None
    error: str | None
    slug_bytes: int | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def title(self) -> str:
        """What it is, in one line: a commit's subject, what a release changed, or what was built."""
        if self.source and self.source.note and self.source.note.subject:
            return self.source.note.subject
        if self.source:
            return f"{self.source.origin} {self.source.label}"
        return self.description or ""

    @property
    def took(self) -> timedelta | None:
        """How long it took, waiting included; None while it goes on."""
        return self.ended_at - self.created_at if self.ended_at else None
