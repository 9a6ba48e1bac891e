"""Lines of a build or a rollout, numbered so that a reader can go on where it stopped."""

import re
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from skypanel.domain.ids import BuildId, NodeId, RolloutId, WorkId

_NAME = r"(?P<kind>build|rollout)/(?P<id>[0-9a-f-]{36})"
_OBJECT = re.compile(rf"{_NAME}(?![0-9a-f-])")
_PLACE = re.compile(rf"{_NAME}:(?P<attempt>[0-9]{{1,9}})-(?P<number>[0-9]{{1,9}})")


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


class StreamKind(StrEnum):
    """What a stream is the output of; the values are how names of streams begin."""

    BUILD = "build"
    ROLLOUT = "rollout"
    NODE = "node"


@dataclass(frozen=True)
class Stream:
    """The output of a build, of a rollout, or of what is done on a node; as text, its name."""

    kind: StreamKind
    id: WorkId

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


def build_stream(build_id: BuildId) -> Stream:
    """Return a build's stream."""
    return Stream(StreamKind.BUILD, build_id)


def rollout_stream(rollout_id: RolloutId) -> Stream:
    """Return a rollout's stream."""
    return Stream(StreamKind.ROLLOUT, rollout_id)


def node_stream(node_id: NodeId) -> Stream:
    """Return the stream of what is done on a node."""
    return Stream(StreamKind.NODE, node_id)


def stream_of(name: str) -> Stream | None:
    """Return the stream of a build or a rollout that the name of an archive begins with, or None if it names none."""
    match = _OBJECT.match(name)
    return _stream(match) if match else None


def _stream(match: re.Match[str]) -> Stream | None:
    try:
        found = UUID(match["id"])
    except ValueError:
        return None
    return build_stream(BuildId(found)) if match["kind"] == StreamKind.BUILD else rollout_stream(RolloutId(found))


@dataclass(frozen=True)
class Place:
    """How far somebody has read: up to and with a line of a stream."""

    stream: Stream
    id: LineId = FIRST

    def __str__(self) -> str:
        return f"{self.stream}:{self.id}"

    @property
    def rollout_id(self) -> RolloutId | None:
        """Whose stream it is, if it is a rollout's."""
        return RolloutId(self.stream.id) if self.stream.kind is StreamKind.ROLLOUT else None

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """Return the place that a text writes, or None if it writes none."""
        match = _PLACE.fullmatch(text)
        stream = _stream(match) if match else None
        if match is None or stream is None:
            return None
        return cls(stream, LineId(int(match["attempt"]), int(match["number"])))
