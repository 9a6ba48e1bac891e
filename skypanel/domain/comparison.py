"""What differs between two deploys: files by path, and config vars by key."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_FILES = 200
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Change(StrEnum):
    """What happened to a file."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True)
class FileChange:
    """A path that differs between two commits."""

    path: str
    change: Change


@dataclass(frozen=True)
class FileChanges:
    """The first paths that differ, and whether there are more."""

    files: Sequence[FileChange]
    has_more: bool


@dataclass(frozen=True)
class KeyChanges:
    """The config vars that differ, by key. Values are never shown."""

    added: Sequence[str] = ()
    changed: Sequence[str] = ()
    removed: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def keys(before: Mapping[str, str], after: Mapping[str, str]) -> KeyChanges:
    """Compare two sets of config vars."""
    return KeyChanges(
        added=sorted(after.keys() - before.keys()),
        changed=sorted(key for key in after.keys() & before.keys() if after[key] != before[key]),
        removed=sorted(before.keys() - after.keys()),
    )


def is_commit(text: str | None) -> bool:
    """Whether the name of a source is the id of a commit, rather than the version of an archive."""
    return text is not None and _COMMIT.fullmatch(text) is not None
