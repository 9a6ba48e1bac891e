"""A setting: all that is said of it anywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Value_co = TypeVar("Value_co", covariant=True)


@dataclass(frozen=True)
class Setting(Generic[Value_co]):
    """A setting. `read` makes a value of what was typed, and raises Invalid with what would be allowed.

    The value of a sensitive one is shown to nobody. An empty default means that it is not set. `at_first` has words for a default
    that does not speak for itself.
    """

    key: str
    default: Value_co
    read: Callable[[str], Value_co]
    meaning: str
    is_sensitive: bool = False
    at_first: str = ""

    @property
    def default_in_words(self) -> str:
        """What the setting is where nobody said anything."""
        return self.at_first or text_of(self.default) or "not set"


def text_of(value: object) -> str:
    """Return a value as it is typed."""
    if isinstance(value, tuple):
        return ", ".join(map(text_of, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
