"""Where objects are kept, and what may be said about them."""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum


class ObjectKind(StrEnum):
    """What an object is; the values begin the names of all objects of a kind."""

    SOURCES = "sources"
    SLUGS = "slugs"
    OUTPUTS = "outputs"


class StorageKind(StrEnum):
    """Where objects are kept: in a folder of the panel's home, or in a bucket."""

    FILES = "files"
    S3 = "s3"


@dataclass(frozen=True)
class Storage:
    """What it takes to reach the objects; but for the kind, all of it is about a bucket.

    `endpoint` is a URL without a path; the keys of all objects begin with `prefix/`.
    """

    kind: StorageKind = StorageKind.FILES
    endpoint: str = ""
    region: str = ""
    bucket: str = ""
    prefix: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)

    def to_json(self) -> str:
        """Return all of it, keys too."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Storage":
        """Return what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "kind": StorageKind(fields["kind"])})

    def is_same_place(self, other: "Storage") -> bool:
        """Whether both lead to the same objects, by whatever keys."""
        return self.place == other.place

    @property
    def place(self) -> str:
        """Where that is, in words."""
        if self.kind is StorageKind.FILES:
            return "the panel's home"
        return f"{self.endpoint}/{self.bucket}/{self.prefix}"


@dataclass(frozen=True)
class Storages:
    """Where objects are written, and where those may still be that were written before that was chosen."""

    current: Storage
    before: Storage | None = None


@dataclass(frozen=True)
class Kept:
    """An object that was found in storage, and when it was written last."""

    name: str
    modified_at: datetime
