"""Lines of a build or a rollout, numbered so that a reader can go on where it stopped."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, order=True)
class LineId:
    """An attempt and a number within it, both from 1; a later attempt sorts after all of an earlier one."""

    attempt: int
    number: int

    def __str__(self) -> str:
        return f"{self.attempt}-{self.number}"


FIRST = LineId(0, 0)


@dataclass(frozen=True)
class Line:
    """One line without its line end. The last one of a stream has `end` set and no text."""

    id: LineId
    text: str
    end: bool = False


def build_stream(build_id: UUID) -> str:
    """Return the name of a build's stream."""
    return f"build/{build_id}"


def rollout_stream(rollout_id: UUID) -> str:
    """Return the name of a rollout's stream."""
    return f"rollout/{rollout_id}"
