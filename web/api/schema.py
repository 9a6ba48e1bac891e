"""What a request's body may be, as JSON Schema (https://json-schema.org/draft/2020-12), and the check of it."""

import json
from collections.abc import Mapping
from typing import Any

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

Json = Any  # whatever JSON can say
Schema = Mapping[str, Any]

MAX_TEXT = 255
MAX_ITEMS = 100
MAX_INTEGER = 2**31 - 1
_TYPES: Mapping[str, tuple[type, str]] = {
    "object": (dict, "an object"),
    "array": (list, "a list"),
    "string": (str, "a string"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
    "null": (type(None), "null"),
}


def string(max_length: int = MAX_TEXT, *, nullable: bool = False) -> Schema:
    """Return the schema of a text."""
    return {"type": ["string", "null"] if nullable else "string", "maxLength": max_length}


def integer(minimum: int = 0, maximum: int = MAX_INTEGER) -> Schema:
    """Return the schema of a whole number."""
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


def boolean(*, nullable: bool = False) -> Schema:
    """Return the schema of a truth value."""
    return {"type": ["boolean", "null"] if nullable else "boolean"}


def array(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items, "maxItems": MAX_ITEMS}


def record(*required: str, **properties: Schema) -> Schema:
    """Return the schema of an object with these fields and no others."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def mapping(values: Schema) -> Schema:
    """Return the schema of an object with any fields."""
    return {"type": "object", "additionalProperties": values, "maxProperties": MAX_ITEMS}


def either(*schemas: Schema) -> Schema:
    """Return the schema of what fits one of several."""
    return {"anyOf": list(schemas)}


def parse(body: bytes) -> Json:
    """Return what a body says; an empty one says an empty object. Raises Invalid."""
    if not body.strip():
        return {}
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Invalid(
            "The body is not JSON that can be read.", "Send one JSON object in UTF-8, nested no deeper than it has to be."
        ) from None


def check(schema: Schema, value: Json, name: str = "The body") -> Json:
    """Return a value that fits a schema. Raises Invalid, which says what does not and never shows a value."""
    if "anyOf" in schema:
        return _check_any(schema["anyOf"], value, name)
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if not any(_is_a(kind, value) for kind in kinds):
        raise Invalid(f"{name} has the wrong type.", f"Give {' or '.join(_TYPES[kind][1] for kind in kinds)}.")
    if isinstance(value, str):
        _check_text(schema, value, name)
    elif isinstance(value, dict):
        _check_fields(schema, value, name)
    elif isinstance(value, list):
        if len(value) > schema["maxItems"]:
            raise Invalid(f"{name} has more than {schema['maxItems']} items.", "Send several requests.")
        for item in value:
            check(schema["items"], item, f"An item of {name}")
    elif isinstance(value, int) and not isinstance(value, bool) and not schema["minimum"] <= value <= schema["maximum"]:
        raise Invalid(f"{name} is out of bounds.", f"Give a number from {schema['minimum']} to {schema['maximum']}.")
    return value


def _check_any(schemas: list[Schema], value: Json, name: str) -> Json:
    error: Invalid | None = None
    for schema in schemas:
        try:
            return check(schema, value, name)
        except Invalid as found:
            error = error or found
    raise error or Invalid(f"{name} cannot be given.", "Leave it out.")


def _check_text(schema: Schema, value: str, name: str) -> None:
    if len(value) > schema["maxLength"]:
        raise Invalid(f"{name} is too long.", f"Give at most {schema['maxLength']} characters.")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid(f"{name} has characters that cannot be stored.", "Leave out NUL and lone surrogates.")


def _check_fields(schema: Schema, value: dict[str, Json], name: str) -> None:
    known, others = schema.get("properties", {}), schema["additionalProperties"]
    if len(value) > schema.get("maxProperties", len(known) or MAX_ITEMS) and others:
        raise Invalid(f"{name} has more than {MAX_ITEMS} fields.", "Send several requests.")
    for field in schema.get("required", ()):
        if field not in value:
            raise Invalid(f"{field} is missing.", f"Add the field {field}.")
    for field, given in value.items():
        found = known.get(field, others)
        if not found:
            raise Invalid(f"There is no field {printable(field)} here.", f"Known are: {', '.join(known) or 'none'}.")
        check(found, given, printable(field) if field not in known else field)


def _is_a(kind: str, value: Json) -> bool:
    # To Python, true is a number.
    return isinstance(value, _TYPES[kind][0]) and (kind == "boolean" or not isinstance(value, bool))


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Invalid("The body names a field twice.", "Name each field once.")
    return fields


def _no_number(name: str) -> None:
    raise ValueError(name)
