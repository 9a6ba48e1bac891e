"""Request bodies as msgspec types, and their validation: errors say what is wrong and never show a value."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar

from msgspec import Meta, Struct, UnsetType, convert, inspect

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

Json = Any  # any JSON value
T = TypeVar("T")

MAX_TEXT = 255
MAX_ITEMS = 100
MAX_INTEGER = 2**31 - 1
MAX_SIDE = 4096

Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Number = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
# The width or height of a terminal, in characters.
Side = Annotated[int, Meta(ge=1, le=MAX_SIDE)]
Several = Annotated[tuple[T, ...], Meta(max_length=MAX_ITEMS)]
Fields = Annotated[dict[str, T], Meta(max_length=MAX_ITEMS)]
# A field that may be absent but not null. Where null means the same as absent, the field has a default instead.
Maybe: TypeAlias = T | UnsetType


class Body(Struct, forbid_unknown_fields=True):
    """An object with exactly these fields."""

    def __repr__(self) -> str:
        """Return the type's name only: values may be secret."""
        return f"{type(self).__name__}(...)"


class Empty(Body):
    """No body."""


def read(body: bytes, kind: Any) -> Any:  # noqa: ANN401 - a value of `kind`
    """Parse a body into a value of type `kind`. Raises Invalid."""
    value = parse(body)
    _check(_described(kind), value, "The body")
    return convert(value, kind)


def check_empty(body: bytes) -> None:
    """Raise Invalid unless a body says nothing. JSON that is falsy, such as {}, says nothing either."""
    if value := parse(body):
        _check(_described(Empty), value, "The body")


def parse(body: bytes) -> Json:
    """Parse a body as JSON; an empty one counts as an empty object. Raises Invalid."""
    if not body.strip():
        return {}
    try:
        # msgspec keeps the last of several fields with one name; they are refused here.
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Invalid("The body is not valid JSON.", "Send one JSON object in UTF-8, without deep nesting.") from None


@cache
def _described(kind: Any) -> inspect.Type:  # noqa: ANN401 - any type
    return inspect.type_info(kind)


def _check(kind: inspect.Type, value: Json, name: str) -> None:
    """Check a value against a type or a union. If no member of the union fits, raise the error of the first."""
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    is_nullable = any(isinstance(each, inspect.NoneType) for each in kinds)
    if value is None and is_nullable:
        return
    errors: list[Invalid] = []
    for each in kinds:
        if not isinstance(each, inspect.NoneType):
            try:
                _check_one(each, value, name, " or null" if is_nullable else "")
            except Invalid as error:
                errors.append(error)
            else:
                return
    raise errors[0]


def _check_one(kind: inspect.Type, value: Json, name: str, or_null: str) -> None:
    accepted, words, check = _CHECKS[type(kind)]
    # In Python, bool is a subclass of int.
    if not isinstance(value, accepted) or (isinstance(value, bool) and accepted is not bool):
        raise Invalid(f"{name} has the wrong type.", f"Give {words}{or_null}.")
    check(kind, value, name)


def _check_text(kind: inspect.StrType, value: str, name: str) -> None:
    if kind.max_length is not None and len(value) > kind.max_length:
        raise Invalid(f"{name} is too long.", f"Give at most {kind.max_length} characters.")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid(f"{name} has characters that cannot be stored.", "Remove NUL characters and lone surrogates.")


def _check_number(kind: inspect.IntType, value: int, name: str) -> None:
    if (kind.ge is not None and value < kind.ge) or (kind.le is not None and value > kind.le):
        raise Invalid(f"{name} is out of range.", f"Give a number from {kind.ge} to {kind.le}.")


def _check_flag(_kind: inspect.BoolType, _value: bool, _name: str) -> None:  # noqa: FBT001 - as the others
    return


def _check_items(kind: inspect.VarTupleType, value: Sequence[Json], name: str) -> None:
    if kind.max_length is not None and len(value) > kind.max_length:
        raise Invalid(f"{name} has more than {kind.max_length} items.", "Send several requests.")
    for item in value:
        _check(kind.item_type, item, f"An item of {name}")


def _check_entries(kind: inspect.DictType, value: Mapping[str, Json], name: str) -> None:
    if kind.max_length is not None and len(value) > kind.max_length:
        raise Invalid(f"{name} has more than {kind.max_length} fields.", "Send several requests.")
    for key, entry in value.items():
        _check(kind.value_type, entry, printable(key))


def _check_fields(kind: inspect.StructType, value: Mapping[str, Json], _name: str) -> None:
    known = {field.encode_name: field for field in kind.fields}
    for field in kind.fields:
        if field.required and field.encode_name not in value:
            raise Invalid(f"{field.encode_name} is missing.", f"Add the field {field.encode_name}.")
    for key, field_value in value.items():
        if key not in known:
            raise Invalid(f"There is no field {printable(key)} here.", f"Known fields: {', '.join(known) or 'none'}.")
        _check(known[key].type, field_value, key)


_CHECKS: Mapping[type[inspect.Type], tuple[type, str, Callable[[Any, Any, str], None]]] = {
    inspect.StrType: (str, "a string", _check_text),
    inspect.IntType: (int, "a whole number", _check_number),
    inspect.BoolType: (bool, "true or false", _check_flag),
    inspect.VarTupleType: (list, "a list", _check_items),
    inspect.DictType: (dict, "an object", _check_entries),
    inspect.StructType: (dict, "an object", _check_fields),
}


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Invalid("The body contains a field twice.", "Send each field once.")
    return fields


def _no_number(name: str) -> None:
    raise ValueError(name)
