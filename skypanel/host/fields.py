"""Parses JSON objects of untrusted peers. Each field is checked before it is used."""

import re
from uuid import UUID

from skypanel.domain.errors import Invalid

MAX_TEXT_BYTES = 128 * 1024
MAX_ENVIRONMENT_BYTES = 512 * 1024

_VARIABLE = re.compile(r"[A-Za-z0-9_]{1,255}")


class Fields:
    """A message whose fields are taken one by one. `done` rejects unknown fields."""

    def __init__(self, message: object) -> None:
        if not isinstance(message, dict):
            raise Invalid("A request is a JSON object.")
        self._left = dict(message)

    def take(self, name: str) -> object:
        """Return a field unchecked. Raises Invalid if it is missing."""
        if name not in self._left:
            raise Invalid(f"The request lacks {name}.")
        return self._left.pop(name)

    def text(self, name: str, pattern: re.Pattern[str] | None = None, limit: int = MAX_TEXT_BYTES) -> str:
        """Return a text of at most `limit` bytes that matches `pattern`, if one is given. Raises Invalid."""
        return check_text(name, self.take(name), pattern, limit)

    def optional_text(self, name: str, pattern: re.Pattern[str]) -> str | None:
        """Return a text that matches `pattern`, or None. Raises Invalid."""
        value = self.take(name)
        return None if value is None else check_text(name, value, pattern, MAX_TEXT_BYTES)

    def uuid(self, name: str) -> UUID:
        """Return a UUID. Only the canonical form is valid. Raises Invalid."""
        return _uuid(name, self.take(name))

    def optional_uuid(self, name: str) -> UUID | None:
        """Return a UUID in canonical form, or None. Raises Invalid."""
        value = self.take(name)
        return None if value is None else _uuid(name, value)

    def integer(self, name: str, low: int, high: int) -> int:
        """Return an integer from `low` to `high`. Raises Invalid."""
        value = self.take(name)
        if type(value) is not int or not low <= value <= high:
            raise Invalid(f"{name} is a whole number from {low} to {high}.")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        """Return a number from `low` to `high`. Raises Invalid."""
        value = self.take(name)
        if type(value) not in {int, float} or not low <= value <= high:  # type: ignore[operator] # the first condition ensures a number
            raise Invalid(f"{name} is a number from {low} to {high}.")
        return float(value)  # type: ignore[arg-type] # as above

    def flag(self, name: str) -> bool:
        """Return a boolean. Raises Invalid."""
        value = self.take(name)
        if not isinstance(value, bool):
            raise Invalid(f"{name} is true or false.")
        return value

    def items(self, name: str) -> list[object]:
        """Return a list with unchecked items. Raises Invalid."""
        value = self.take(name)
        if not isinstance(value, list):
            raise Invalid(f"{name} is a list.")
        return value

    def environment(self, name: str) -> dict[str, str]:
        """Return environment variables by name. Raises Invalid."""
        value = self.take(name)
        if not isinstance(value, dict):
            raise Invalid(f"{name} is an object.")
        variables = {
            check_text("a variable's name", key, _VARIABLE, 255): check_text(key, text, None, MAX_ENVIRONMENT_BYTES)
            for key, text in value.items()
        }
        if sum(len(key) + len(text.encode()) + 2 for key, text in variables.items()) > MAX_ENVIRONMENT_BYTES:
            raise Invalid(f"{name} is over {MAX_ENVIRONMENT_BYTES} bytes.")
        return variables

    def done(self) -> None:
        """Reject the message if unknown fields are left. Raises Invalid."""
        if self._left:
            raise Invalid(f"The request has unknown fields: {', '.join(sorted(map(ascii, self._left)))}.")


def check_text(name: str, value: object, pattern: re.Pattern[str] | None, limit: int) -> str:
    """Return `value` if it is text that can be an argument or a variable of a program. Raises Invalid."""
    if not isinstance(value, str) or "\0" in value or not _encodable(value) or len(value.encode()) > limit:
        raise Invalid(f"{name} is text of at most {limit} bytes, without NUL.")
    if pattern is not None and not pattern.fullmatch(value):
        raise Invalid(f"{name} does not have the form {pattern.pattern}.")
    return value


def _encodable(value: str) -> bool:
    """Whether the text can be encoded as UTF-8. JSON can contain half a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _uuid(name: str, value: object) -> UUID:
    try:
        parsed = UUID(value) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != value:
        raise Invalid(f"{name} is a UUID in its usual form.")
    return parsed
