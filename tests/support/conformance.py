"""Checks that answers of the API conform to its OpenAPI document."""

import json
import re
from functools import cache

import jsonschema_rs

from web.api.openapi import document
from web.api.routes import ENDPOINTS

DOCUMENT = document(ENDPOINTS)


def check(method, path, response, text):
    """Assert that the document describes this answer: status, content type and schema. Ignores paths that are not endpoints."""
    operation = _operation(method, path.partition("?")[0])
    if operation is None:
        return
    described = operation["responses"].get(str(response.status))
    assert described, f"{method} {path} may not answer {response.status}"
    reference = described.get("$ref")
    if reference:
        described = DOCUMENT["components"]["responses"][reference.rpartition("/")[2]]
    for name in described.get("headers", ()):
        assert name in response.headers, f"{method} {path} lacks {name}"
    if "content" not in described:
        assert not text
        return
    assert response.content_type in described["content"], f"{method} {path} answers {response.content_type}"
    if response.content_type == "application/json":
        _validator(json.dumps(described["content"]["application/json"]["schema"])).validate(json.loads(text))


@cache
def _validator(schema):
    whole = {**json.loads(schema), "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def _operation(method, path):
    for pattern, operations in _PATHS:
        if pattern.fullmatch(path):
            return operations.get(method.lower())
    return None


# Paths without parameters come first, as in the router.
_PATHS = [
    (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), operations)
    for path, operations in sorted(DOCUMENT["paths"].items(), key=lambda item: item[0].count("{"))
]
