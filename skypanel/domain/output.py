"""Output of builds and rollouts: numbered lines, so that a reader can resume where it stopped."""

import re
from dataclasses import dataclass
from enum import StrEnum

from skypanel.domain.ids import BuildId, NodeId, RolloutId, WorkId, as_id

_NAME = r"(?P<kind>build|rollout)/(?P<id>[0-9a-f-]{36})"
_OBJECT = re.compile(rf"{_NAME}(?![0-9a-f-])")
_PLACE = re.compile(rf"{_NAME}:(?P<attempt>[0-9]{{1,9}})-(?P<number>[0-9]{{1,9}})")


@dataclass(frozen=True, order=True)
class LineId:
    """An attempt and a line number within it, both from 1. All lines of a later attempt sort after those of an earlier one."""

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
    """The kind of job that writes a stream; stream names begin with the value."""

    BUILD = "build"
    ROLLOUT = "rollout"
    NODE = "node"


@dataclass(frozen=True)
class Stream:
    """The output of a build, of a rollout, or of work on a node. Its text form is its name."""

    kind: StreamKind
    id: WorkId

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


def build_stream(build_id: BuildId) -> Stream:
    """Return the stream of a build."""
    return Stream(StreamKind.BUILD, build_id)


def rollout_stream(rollout_id: RolloutId) -> Stream:
    """Return the stream of a rollout."""
    return Stream(StreamKind.ROLLOUT, rollout_id)


def node_stream(node_id: NodeId) -> Stream:
    """Return the stream of work on a node."""
    return Stream(StreamKind.NODE, node_id)


def stream_of(name: str) -> Stream | None:
    """Return the build or rollout stream that an archive's name begins with, or None."""
    match = _OBJECT.match(name)
    return _stream(match) if match else None


def _stream(match: re.Match[str]) -> Stream | None:
    found = as_id(match["id"])
    if found is None:
        return None
    return build_stream(BuildId(found)) if match["kind"] == StreamKind.BUILD else rollout_stream(RolloutId(found))


@dataclass(frozen=True)
class Place:
    """How far a client has read: up to and including line `id`."""

    stream: Stream
    id: LineId = FIRST

    def __str__(self) -> str:
        return f"{self.stream}:{self.id}"

    @property
    def rollout_id(self) -> RolloutId | None:
        """The rollout, if this is the stream of one."""
        return RolloutId(self.stream.id) if self.stream.kind is StreamKind.ROLLOUT else None

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """Parse the text form of a place; None if it is invalid."""
        match = _PLACE.fullmatch(text)
        stream = _stream(match) if match else None
        if match is None or stream is None:
            return None
        return cls(stream, LineId(int(match["attempt"]), int(match["number"])))
