"""The API's document and its endpoints say the same."""

import re

import jsonschema_rs

from web.api.answers import GOOD
from web.api.calls import Endpoint
from web.api.faults import STATUS
from web.api.openapi import PARAMS, PATH, document
from web.api.routes import ENDPOINTS
from web.api.shapes import SHAPES

DOCUMENT = document(ENDPOINTS)


def operation(endpoint):
    return DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]


def test_each_endpoint_is_in_it_with_what_it_needs():
    for endpoint in ENDPOINTS:
        described = operation(endpoint)
        assert described["summary"].endswith("."), endpoint.path
        assert ("requestBody" in described) == bool(endpoint.body or getattr(endpoint, "is_upload", False))
        named = {one["name"] for one in described["parameters"] if one["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", endpoint.path)) <= set(PARAMS)
        if isinstance(endpoint, Endpoint):
            assert {scheme for one in described["security"] for scheme in one} == {"bearer", "basic"}


def test_each_endpoint_has_a_shape_for_what_it_answers():
    assert [endpoint.path for endpoint in ENDPOINTS if endpoint.handle not in GOOD] == [PATH]
    for endpoint in ENDPOINTS:
        for status in {status for status, _ in STATUS.values()} | {500}:
            assert str(status) in operation(endpoint)["responses"]


def test_each_operation_has_an_id_of_its_own():
    ids = [one["operationId"] for operations in DOCUMENT["paths"].values() for one in operations.values()]
    assert len(set(ids)) == len(ids) == len(ENDPOINTS)


def test_each_shape_is_a_schema_and_is_used():
    text = str(DOCUMENT)
    for name, shape in SHAPES.items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **shape})
        assert f"#/components/schemas/{name}'" in text
