"""Each shape that the API serves is what Heroku's published schema says of it.

That answers have these shapes is asserted of each one in the tests of the API (tests/support/conformance.py).
"""

from typing import get_args, get_origin

import msgspec
import pytest

from tests.support.heroku_facts import FACTS
from web.api.openapi import document
from web.api.resources.common import Nothing
from web.api.routes import ENDPOINTS

# What Heroku has nothing like.
OURS = {"AccountEntry", "Admission", "HttpRules", "Metrics", "Plan", "Received", "Session"}
SHAPES = document(ENDPOINTS)["components"]["schemas"]
TIMES = {"created_at", "updated_at"}
# What is not kept here; no field of the schema is required.
LEFT_OUT = {
    "Account": TIMES,
    "Region": TIMES | {"provider"},
    "Stack": TIMES,
    "Team": TIMES,
    "Release": {"artifacts[].id", "artifacts[].type"},
    "SniEndpoint": {"certificate_chain", "cname"},
}
FORMATS = {"date-time", "email", "uri", "uuid"}
# Of names of hosts the schema says that they are URIs.
LOOSE = {("Domain", "hostname")}


def resolved(shape):
    return SHAPES[shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape


def kinds(shape):
    """Return the kinds of value a shape allows, as the facts name them."""
    shape = resolved(shape)
    if "anyOf" in shape:
        return set().union(*map(kinds, shape["anyOf"]))
    if "enum" in shape:
        return {"null" if word is None else f"={word}" for word in shape["enum"]}
    types = {shape["type"]} if isinstance(shape["type"], str) else set(shape["type"])
    return {shape.get("format", "string") if kind == "string" else kind for kind in types}


def fields(shape, path=""):
    """Yield the path and the shape of each field, however deep."""
    shape = resolved(shape)
    for part in map(resolved, shape.get("anyOf", [shape])):
        for name, of in part.get("properties", {}).items():
            yield f"{path}{name}", of
            yield from fields(of, f"{path}{name}.")
        if "items" in part:
            yield f"{path[:-1]}[]", part["items"]
            yield from fields(part["items"], f"{path[:-1]}[].")


def is_said(kind, said):
    """Whether a kind of ours is among Heroku's. A format is a string too, and so is a word if there is no list."""
    listed = any(each.startswith("=") for each in said)
    if kind == "integer" and "number" in said:
        return True
    return kind in said or (kind in FORMATS and "string" in said) or (kind.startswith("=") and not listed and "string" in said)


@pytest.mark.parametrize("name", FACTS)
def test_what_is_served_is_as_herokus_schema_says(name):
    said = {path: set(kind.split("|")) for kind, paths in FACTS[name].items() for path in paths.split()}
    served = dict(fields(SHAPES[name]))
    wrong = {
        path: (sorted(kinds(of)), sorted(said[path]))
        for path, of in served.items()
        if path in said and (name, path) not in LOOSE and not all(is_said(kind, said[path]) for kind in kinds(of))
    }
    assert wrong == {}


@pytest.mark.parametrize("name", FACTS)
def test_no_field_is_missing_but_those_that_are_not_kept(name):
    served = dict(fields(SHAPES[name]))
    said = {path for paths in FACTS[name].values() for path in paths.split()}
    hidden = {path for path in served if kinds(served[path]) == {"null"}} | LEFT_OUT.get(name, set())
    missing = {path for path in said - set(served) if not any(path.startswith((f"{each}.", f"{each}[")) for each in hidden)}
    assert missing == LEFT_OUT.get(name, set())


def test_each_shape_that_is_served_is_compared():
    assert {name for endpoint in ENDPOINTS if (name := name_of(endpoint.gives.kind))} == set(FACTS) | OURS


def name_of(kind):
    """Return the name of a thing that is answered, or of those in a list."""
    each = get_args(kind)[0] if get_origin(kind) is list else kind
    return each.__name__ if isinstance(each, type) and issubclass(each, msgspec.Struct) and each is not Nothing else None
