"""The document of the API (https://spec.openapis.org/oas/v3.1.1), made of the tables by which it answers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from aiohttp import web

from skypanel.domain.access import SCOPES
from web.api import account
from web.api.answers import GOOD, JSON, Good
from web.api.calls import Endpoint, Open, OpenEndpoint, Reply
from web.api.faults import STATUS, UNEXPECTED
from web.api.schema import Json
from web.api.shapes import SHAPES, ref

Row = Endpoint | OpenEndpoint

PATH = "/schema"
PARAMS: Mapping[str, str] = {
    "account": "Anybody's e-mail address or id",
    "app": "An app's name or id",
    "authorization": "An API token's id",
    "build": "A build's id",
    "collaborator": "An e-mail address, or the id of an account or a collaborator",
    "dyno": "A dyno's name, such as web.1, or its id",
    "feature": "A feature's name",
    "key": "An SSH key's id or fingerprint",
    "member": "A member's e-mail address or id",
    "release": "A release's version, such as 3 or v3, or its id",
    "stack": "A stack's name or id",
    "team": "An organization's name or id",
    "transfer": "An offer's id, or the name or id of its app",
    "ticket": "What stands there in the URL that the API gave",
    "upload": "What stands there in a put_url",
    "type": "A process type, such as web, or the id of its formation",
}
TAGS: Mapping[str, str] = {
    "account": "Account",
    "accounts": "Accounts",
    "users": "Account",
    "oauth": "API tokens",
    "sources": "Builds",
    "streams": "Streams",
    "apps": "Apps",
    "teams": "Organizations",
    "organizations": "Organizations",
}
RANGE = "A part of a list: `name ..; max=100, order=desc`, or what Next-Range said"
BYTES = {"type": "string", "format": "binary"}
UPLOADED = ("application/gzip", "application/octet-stream")
# What aiohttp says by itself: a body that is too large.
TOO_LARGE = 413
WITHOUT_TOKEN: Mapping[Open, list[Json]] = {account.authorize: [{"basic": []}, {"bearer": ["global"]}]}


def served(rows: Sequence[Row]) -> OpenEndpoint:
    """Return the endpoint that shows the document of some endpoints, and of itself."""

    async def show(_request: web.Request, _params: Mapping[str, str], _body: Json) -> Reply:
        """Show this document."""
        return Reply(document((*rows, endpoint)))

    endpoint = OpenEndpoint("GET", PATH, show)
    return endpoint


def document(rows: Iterable[Row]) -> Json:
    """Return the OpenAPI document of some endpoints."""
    paths: dict[str, dict[str, Json]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SkyPanel",
            "version": version("skypanel"),
            "description": "Heroku's Platform API v3, as far as this panel has it.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(SHAPES),
            "responses": {f"Error{status}": _error(name) for status, name in _errors()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API token"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "An API token as the password, under any name without an @",
                },
            },
        },
    }


def _operation(row: Row) -> Json:
    good = GOOD.get(row.handle, Good({"type": "object"}))
    operation: dict[str, Json] = {
        "operationId": re.sub(r"[^a-z0-9]+", "_", f"{row.method} {row.path}".lower().replace("~", "own")).strip("_"),
        "summary": (row.handle.__doc__ or "").partition("\n")[0],
        "tags": [TAGS.get(row.path.split("/")[1], "Lists")],
        "parameters": _parameters(row, good),
        "responses": {**_good(row, good), **{str(status): {"$ref": f"#/components/responses/Error{status}"} for status, _ in _errors()}},
        "security": _security(row),
    }
    if isinstance(row, OpenEndpoint) and row.is_upload:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": BYTES} for kind in UPLOADED},
        }
    if row.body is not None:
        operation["requestBody"] = {"required": "required" in row.body, "content": {JSON: {"schema": row.body}}}
    return operation


def _parameters(row: Row, good: Good) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "description": PARAMS.get(name, name), "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", row.path)
    ]
    if row.method == "GET" and good.is_page:
        found.append({"name": "Range", "in": "header", "description": RANGE, "schema": {"type": "string"}})
    return found


def _good(row: Row, good: Good) -> dict[str, Json]:
    if good.shape is None:
        return {}
    answer = {"description": "As asked", "content": {kind: {"schema": good.shape} for kind in good.kinds}}
    answers: dict[str, Json] = {str(status): answer for status in good.statuses}
    if good.is_page:
        answers["206"] = {
            **answer,
            "description": "A part of the list",
            "headers": {"Next-Range": {"description": "The Range of the next part", "required": True, "schema": {"type": "string"}}},
        }
    if row.method == "GET" and JSON in good.kinds:
        answers["304"] = {"description": "What If-None-Match names has not changed"}
    return answers


def _security(row: Row) -> list[Json]:
    if isinstance(row, OpenEndpoint):
        return list(WITHOUT_TOKEN.get(row.handle, []))
    scopes = [scope for scope, covered in SCOPES.items() if row.needs in covered]
    return [{"bearer": scopes}, {"basic": scopes}]


def _errors() -> list[tuple[int, str]]:
    return sorted({*STATUS.values(), UNEXPECTED, (TOO_LARGE, "request_entity_too_large")})


def _error(name: str) -> Json:
    return {"description": name.replace("_", " ").capitalize(), "content": {JSON: {"schema": ref("Error")}}}
