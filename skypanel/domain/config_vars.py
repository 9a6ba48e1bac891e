"""What an app is told through its environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

RESERVED_KEYS = frozenset({"PORT", "DYNO", "PS"})
MAX_KEY_LENGTH = 255  # a key names a file of a build's ENV_DIR
MAX_VALUE_BYTES = 64 * 1024

_KEY = re.compile(r"[A-Z0-9_]+")


@dataclass(frozen=True)
class ConfigVersion:
    """All of an app's config vars as they stood at one time, each value encrypted."""

    id: UUID
    app_id: UUID
    number: int
    secrets: Mapping[str, bytes] = field(repr=False)


def check_key(key: str) -> str:
    """Return `key` if a user may set a config var of that name. Raises Invalid."""
    if not _KEY.fullmatch(key) or len(key) > MAX_KEY_LENGTH:
        raise Invalid(
            f"{printable(key)} is not a valid config var name.",
            f"Use up to {MAX_KEY_LENGTH} capital letters, digits and underscores.",
        )
    if key in RESERVED_KEYS:
        raise Invalid(f"{key} is set by the platform for each dyno.", "Choose another name.")
    return key


def check_value(key: str, value: str) -> str:
    """Return `value` if the config var `key` may hold it; the message never shows it. Raises Invalid."""
    if "\0" in value:
        raise Invalid(f"The value of {key} has a NUL character in it.", "An environment cannot carry one: encode the value, as base64 say.")
    try:
        size_bytes = len(value.encode())
    except UnicodeEncodeError:
        raise Invalid(f"The value of {key} is not valid Unicode.", "Encode it, as base64 say.") from None
    if size_bytes > MAX_VALUE_BYTES:
        raise Invalid(
            f"The value of {key} is {size_bytes} bytes long.",
            f"A value may have up to {MAX_VALUE_BYTES} bytes: keep larger things in files or object storage.",
        )
    return value
