"""A setting: its key, its default, how to parse it, and its documentation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Value_co = TypeVar("Value_co", covariant=True)


@dataclass(frozen=True)
class Setting(Generic[Value_co]):
    """A setting. `read` parses what was typed, and raises Invalid, which says what is allowed.

    The value of a sensitive setting is never shown. An empty default means "not set". `at_first` describes a default that does not explain
    itself. `choices` are its only values, if it has so few.
    """

    key: str
    default: Value_co
    read: Callable[[str], Value_co]
    meaning: str
    is_sensitive: bool = False
    at_first: str = ""
    choices: tuple[str, ...] = ()

    @property
    def default_in_words(self) -> str:
        """The default, in words."""
        return self.at_first or text_of(self.default) or "not set"


def text_of(value: object) -> str:
    """Return a value as a user types it."""
    if isinstance(value, tuple):
        return ", ".join(map(text_of, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
