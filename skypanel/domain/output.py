"""Lines of a build or a rollout, numbered so that a reader can go on where it stopped."""

import re
from dataclasses import dataclass
from uuid import UUID

from skypanel.domain.ids import BuildId, RolloutId

_STREAM = re.compile(r"(?:build|rollout)/(?P<id>[0-9a-f-]{36})(?![0-9a-f-])")
_PLACE = re.compile(r"(?P<stream>(?:build|rollout)/(?P<id>[0-9a-f-]{36})):(?P<attempt>[0-9]{1,9})-(?P<number>[0-9]{1,9})")


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


def build_stream(build_id: BuildId) -> str:
    """Return the name of a build's stream."""
    return f"build/{build_id}"


def rollout_stream(rollout_id: RolloutId) -> str:
    """Return the name of a rollout's stream."""
    return f"rollout/{rollout_id}"


def job_of(name: str) -> BuildId | RolloutId | None:
    """Return the build or rollout whose stream a name begins with, or None if it names none."""
    match = _STREAM.match(name)
    try:
        return BuildId(UUID(match["id"])) if match else None
    except ValueError:
        return None


def node_stream(node_id: UUID) -> str:
    """Return the name of the stream of what is done on a node."""
    return f"node/{node_id}"


@dataclass(frozen=True)
class Place:
    """How far somebody has read: up to and with a line of a stream."""

    stream: str
    id: LineId = FIRST

    def __str__(self) -> str:
        return f"{self.stream}:{self.id}"

    @property
    def rollout_id(self) -> RolloutId | None:
        """Whose stream it is, if it is a rollout's."""
        kind, _, of = self.stream.partition("/")
        return RolloutId(UUID(of)) if kind == "rollout" else None

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """Return the place that a text writes, or None if it writes none."""
        match = _PLACE.fullmatch(text)
        if match is None:
            return None
        try:
            UUID(match["id"])
        except ValueError:
            return None
        return cls(match["stream"], LineId(int(match["attempt"]), int(match["number"])))
