"""Config vars: which names and values an app's environment may have."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId, ConfigVersionId
from skypanel.domain.names import printable

RESERVED_KEYS = frozenset({"PORT", "DYNO", "PS"})
MAX_KEY_LENGTH = 255  # a key names a file in a build's ENV_DIR
MAX_VALUE_BYTES = 64 * 1024

_KEY = re.compile(r"[A-Z0-9_]+")
# Variables that a dyno's shell and linker read before the app starts: bash(1), ld.so(8).
_STARTS = {
    "PATH": "where a dyno finds its commands",
    "BASH_ENV": "what a dyno's shell runs before the app",
    "ENV": "what a dyno's shell runs before the app",
    "BASHOPTS": "how a dyno's shell reads commands",
    "SHELLOPTS": "how a dyno's shell reads commands",
    "CDPATH": "where a dyno's shell looks for folders",
    "GLOBIGNORE": "which files a dyno's shell finds",
}
_LINKER = ("LD_", "GLIBC_")


@dataclass(frozen=True)
class ConfigVersion:
    """A snapshot of all config vars of an app, each value encrypted."""

    id: ConfigVersionId
    app_id: AppId
    number: int
    secrets: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True)
class KeyOrigin:
    """When a config var got its value, and who set it; `email` is None if that account is gone."""

    key: str
    at: datetime
    email: str | None


@dataclass(frozen=True)
class ConfigChange:
    """A version of an app's config vars by what it changed, never by values; `release` is the version of its first release."""

    number: int
    at: datetime
    email: str | None
    release: int | None
    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]


def check_key(key: str) -> str:
    """Return `key` if a user may set a config var with that name. Raises Invalid."""
    if not _KEY.fullmatch(key) or len(key) > MAX_KEY_LENGTH:
        rule = f"up to {MAX_KEY_LENGTH} capital letters, digits and underscores"
        twin = _twin(key)
        hint = f"Set {twin} instead: names here are {rule}." if twin else f"Use {rule}."
        raise Invalid(f"{printable(key)} is not a valid config var name.", hint)
    if key in RESERVED_KEYS:
        raise Invalid(f"{key} is set by the platform for each dyno.", "Choose another name.")
    return key


def _twin(key: str) -> str | None:
    """Return the valid name that was probably meant, such as HTTP_PROXY for http_proxy, or None."""
    twin = re.sub(r"[-. ]", "_", key).upper()
    return twin if _KEY.fullmatch(twin) and len(twin) <= MAX_KEY_LENGTH and twin not in RESERVED_KEYS else None


def warning(key: str) -> str | None:
    """Return a warning for a name that is allowed but has side effects or does not reach the app, or None."""
    if key == "HOME":
        return "HOME is /app in every dyno, whatever it is set to."
    if key.startswith(_LINKER):
        return f"{key} changes how every program in a dyno is loaded, including its shell. If dynos no longer start, unset it."
    if key in _STARTS:
        return f"{key} changes {_STARTS[key]}. If dynos no longer start, unset it."
    if key[:1].isdigit():
        return f"{key} starts with a digit: programs can read it, but shells cannot."
    return None


def warnings(changes: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the warnings for the keys that are set."""
    return tuple(text for key, value in changes.items() if value is not None and (text := warning(key)))


def check_value(key: str, value: str) -> str:
    """Return `value` if the config var `key` may hold it. Raises Invalid, which never shows the value."""
    if "\0" in value:
        raise Invalid(f"The value of {key} contains a NUL character.", "Encode the value, for example as base64.")
    try:
        size_bytes = len(value.encode())
    except UnicodeEncodeError:
        raise Invalid(f"The value of {key} is not valid Unicode.", "Encode it, for example as base64.") from None
    if size_bytes > MAX_VALUE_BYTES:
        raise Invalid(
            f"The value of {key} is {size_bytes} bytes long.",
            f"A value may have up to {MAX_VALUE_BYTES} bytes: keep larger things in files or object storage.",
        )
    return value
