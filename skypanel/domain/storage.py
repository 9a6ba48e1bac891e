"""Where objects are stored."""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum


class ObjectKind(StrEnum):
    """The kind of an object; object names begin with the value."""

    SOURCES = "sources"
    SLUGS = "slugs"
    OUTPUTS = "outputs"


class StorageKind(StrEnum):
    """Where objects are stored: in a folder of the panel's home, or in a bucket."""

    FILES = "files"
    S3 = "s3"


@dataclass(frozen=True)
class Storage:
    """What is needed to access the objects; every field but `kind` is about a bucket.

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
        """Return it as JSON, including the secret keys."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Storage":
        """Parse what `to_json` returned."""
        fields = json.loads(text)
        return cls(**{**fields, "kind": StorageKind(fields["kind"])})

    def is_same_place(self, other: "Storage") -> bool:
        """Whether both hold the same objects, whatever their access keys."""
        return self.place == other.place

    @property
    def place(self) -> str:
        """The location, in words."""
        if self.kind is StorageKind.FILES:
            return "the panel's home"
        return f"{self.endpoint}/{self.bucket}/{self.prefix}"


@dataclass(frozen=True)
class Storages:
    """Where new objects are written, and where objects from before the last change may still be."""

    current: Storage
    before: Storage | None = None


@dataclass(frozen=True)
class StoredObject:
    """An object found in storage, and the time of its last write."""

    name: str
    modified_at: datetime
