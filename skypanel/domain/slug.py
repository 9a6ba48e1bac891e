"""The immutable archive of a built /app."""

from collections.abc import Mapping
from dataclasses import dataclass

from skypanel.domain.ids import AppId, SlugId

STACK = "heroku-24"


@dataclass(frozen=True)
class Slug:
    """A zstd tar of /app, stored as the object `slugs/<digest>`.

    `digest` is the SHA-256 of the archive in hex; `process_types` maps a type to its command.
    """

    id: SlugId
    app_id: AppId
    digest: str
    size_bytes: int
    process_types: Mapping[str, str]
    buildpacks: tuple[str, ...]
    stack: str = STACK
    commit: str | None = None
