"""The API's document and its endpoints say the same."""

import inspect
import re

import jsonschema_rs
from msgspec.json import schema_components

from web.api.endpoints import Endpoint
from web.api.faults import STATUS
from web.api.openapi import PARAMS, PATH, document
from web.api.routes import ENDPOINTS

DOCUMENT = document(ENDPOINTS)


def named(kind):
    return set(schema_components([kind])[1])


BODIES = {each for endpoint in ENDPOINTS for each in named(endpoint.takes)}


def operation(endpoint):
    return DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]


def test_each_endpoint_is_in_it_with_what_it_needs():
    for endpoint in ENDPOINTS:
        described = operation(endpoint)
        assert described["summary"].endswith("."), endpoint.path
        assert ("requestBody" in described) == bool(endpoint.takes or getattr(endpoint, "is_upload", False))
        named = {one["name"] for one in described["parameters"] if one["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", endpoint.path)) <= set(PARAMS)
        if isinstance(endpoint, Endpoint):
            assert {scheme for one in described["security"] for scheme in one} == {"bearer", "basic"}


def test_each_endpoint_has_a_shape_for_what_it_answers():
    assert [endpoint.path for endpoint in ENDPOINTS if endpoint.gives.kind is dict] == [PATH]
    for endpoint in ENDPOINTS:
        for status in {status for status, _ in STATUS.values()} | {500}:
            assert str(status) in operation(endpoint)["responses"]


def test_each_endpoint_is_handled_by_what_takes_its_body():
    for endpoint in ENDPOINTS:
        given = list(inspect.signature(endpoint.handle).parameters.values())[1 if isinstance(endpoint, Endpoint) else 2 :]
        if endpoint.takes is None:
            assert all(each.default is None for each in given), endpoint.path
        else:
            (body,) = given
            assert body.annotation in {endpoint.takes, endpoint.takes | None}, endpoint.path


def test_what_is_answered_is_always_whole():
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if "properties" in schema and name not in BODIES:
            assert schema["required"] == list(schema["properties"]), name


def test_no_body_has_the_name_of_something_else():
    answers = {each for endpoint in ENDPOINTS for each in named(endpoint.gives.kind)}
    assert answers
    assert not BODIES & answers


def test_each_operation_has_an_id_of_its_own():
    ids = [one["operationId"] for operations in DOCUMENT["paths"].values() for one in operations.values()]
    assert len(set(ids)) == len(ids) == len(ENDPOINTS)


def test_each_shape_is_a_schema_and_is_used():
    text = str(DOCUMENT)
    for name, shape in DOCUMENT["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **shape})
        assert f"#/components/schemas/{name}'" in text
