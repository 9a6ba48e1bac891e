"""Whatever is sent to whichever endpoint, by whomever: a plain refusal, and nothing half-written."""

import json
import logging

import pytest

from tests.support.api_walk import DEEP, LONG, PLAIN, ROUTES, filled, refused, rows
from web.api.routes import ENDPOINTS

BODIES = [
    b"", b"null", b"[]", b'"text"', b"1", b"true", b"{", b"{}x", b"\xff\xfe", b"NaN", b'{"a": Infinity}', DEEP, b'{"a":' * 5000,
    b'{"name": "a", "name": "b"}', b'{"updates": [], "updates": []}', b'{"nothing": 1}', b'{"name": 1, "updates": 1, "release": []}',
    b'{"name": "a\\u0000b"}', b'{"KEY": "a\\u0000b"}', b'{"KEY\\u0000": "a"}', b'{"name": "\\ud800"}', b'{"KEY": "\\ud800"}',
    b'{"public_key": "\\ud800"}', b'{"command": "a\\u0000b"}', b'{"command": "true", "env": {"A": {}}}', b'{"command": "true", "env": []}',
    b'{"command": "true", "size": 1}', b'{"command": "true", "attach": "yes"}', b'{"command": "true", "env": {"A": 99999999999999}}',
    b'{"updates": [{"buildpack": "cobol"}]}', b'{"updates": [{"buildpack": "https://ada:word@git.example/x"}]}', b'{"updates": [{}]}',
    b'{"user": "nobody"}', b'{"user": "a@b", "permissions": ["root"]}', b'{"email": "x", "role": "owner"}',
    b'{"email": "a@b", "role": "king"}',
    b'{"app": "hello", "recipient": "nobody"}', b'{"app": "nobodys", "recipient": "a@b"}', b'{"owner": "a@b"}', b'{"owner": "nobodys"}',
    b'{"owner": 1}', b'{"state": "accepted"}', b'{"state": "pending"}', b'{"app": "a\\u0000b", "recipient": "a@b"}',
    b'{"name": "-"}', b'{"build_stack": "moon"}', b'{"maintenance": 2}', b'{"name": "other", "build_stack": "moon"}',
    b'{"password": "", "new_password": "short"}',
    b'{"updates": [{"type": "web", "quantity": 1e400}]}', b'{"updates": [{"type": "web", "quantity": ' + b"9" * 5000 + b"}]}",
    b'{"updates": [{"type": "web\\u0000", "quantity": 1}]}', b'{"updates": [{"type": "web", "quantity": 1, "more": 1}]}',
    b'{"lines": -1}', b'{"lines": 99999999999999}', b'{"tail": "yes"}', b'{"dyno": ["web"]}', b'{"release": -1}', b'{"release": 1.5}',
    b'{"source_blob": {}}', b'{"source_blob": {"url": "x"}}', b'{"source_blob": {"url": "http://[::1"}}', b'{"source_blob": {"url": null}}',
    b'{"source_blob": {"url": "https://localhost:8443/sources/x", "checksum": 1}}', b'{"source_blob": []}',
    b'{"scope": "global"}', b'{"scope": ["root"]}', b'{"expires_in": 0}', b'{"public_key": "ssh-rsa"}', b'{"quantity": null}',
    json.dumps({"name": LONG}).encode(), json.dumps({"KEY": LONG * 2}).encode(), json.dumps({LONG: "a"}).encode(),
    json.dumps({f"KEY{number}": "a" for number in range(1000)}).encode(), json.dumps({"public_key": LONG}).encode(),
    json.dumps({"updates": [{"type": "web"}] * 1000}).encode(), b'{"KEY": "' + b"a" * 2_000_000 + b'"}',
]  # fmt: skip
RANGES = [
    "..",
    "x",
    "id",
    "id ..; max=0",
    "id ..; max=1001",
    "id ..; max=x",
    "id ..; order=up",
    "version ]..[; max=1",
    "]",
    "a" * 5000,
]


@pytest.fixture(autouse=True)
async def _nothing_is_an_error_of_ours(caplog):
    with caplog.at_level(logging.ERROR):
        yield
    assert [record.getMessage() for record in caplog.records if record.name.startswith(("web", "asyncio", "aiohttp"))] == []


@pytest.mark.parametrize("route", [name for name, endpoint in ROUTES.items() if endpoint.takes])
async def test_a_body_that_is_none_is_refused_and_nothing_is_written(api, hello, stage, route):
    method, path = ROUTES[route].method, filled(ROUTES[route].path)
    before = await rows(stage)
    for body in BODIES:
        response = await api.call(method, path, body, Content_Type="application/json")
        if response.status < 400:
            assert len(body) < 30, body
            if path in {"/apps", "/teams/apps", "/oauth/authorizations", "/apps/hello/config-vars"}:
                before = await rows(stage)
            continue
        await refused(response)
        assert await rows(stage) == before, body[:60]


async def test_a_body_where_there_is_to_be_none_is_refused(api, hello):
    for endpoint in [endpoint for endpoint in ENDPOINTS if not endpoint.takes]:
        for body in (b'{"a": 1}', b"[1]", DEEP, b"{"):
            await refused(await api.call(endpoint.method, filled(endpoint.path), body))


@pytest.mark.parametrize("header", RANGES, ids=lambda header: header[:20])
async def test_a_range_that_is_none_is_refused_or_passed_over(api, hello, header):
    for endpoint in PLAIN:
        if endpoint.method == "GET":
            response = await api.call("GET", filled(endpoint.path), Range=header)
            assert response.status in {200, 206, 404, 416}, endpoint.path


async def test_nobody_gets_anything_without_a_token(api, hello):
    for endpoint in PLAIN:
        for bad in ("", "x", LONG[:4000]):
            response = await api.call(endpoint.method, filled(endpoint.path), status=401, Authorization=f"Bearer {bad}")
            await refused(response)


async def test_an_unknown_path_and_method_are_refused(api):
    await refused(await api.call("GET", "/nothing"))
    for method in ("PUT", "POST", "DELETE", "PROPFIND"):
        response = await api.call(method, "/users/~", status=405)
        assert response.headers["Allow"] == "GET"
        assert (await response.json())["message"] == f"'{method}' is not a method of this URL. Allowed methods: GET."
    response = await api.call("POST", "/apps/hello", status=405)
    assert response.headers["Allow"] == "DELETE,GET,PATCH"
    assert "Allowed methods: DELETE, GET, PATCH." in (await response.json())["message"]
