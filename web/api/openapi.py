"""The OpenAPI document (https://spec.openapis.org/oas/v3.1.1), generated from the table of endpoints."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from aiohttp import web
from msgspec.json import schema_components

from skypanel.domain.access import SCOPES
from web.api import account
from web.api.bodies import Json
from web.api.calls import Reply
from web.api.endpoints import JSON, Endpoint, Gives, OpenEndpoint
from web.api.faults import STATUS, UNEXPECTED
from web.api.resources.common import Error

Row = Endpoint | OpenEndpoint

PATH = "/schema"
PARAMS: Mapping[str, str] = {
    "account": "Anybody's e-mail address or id",
    "app": "An app's name or id",
    "authorization": "An API token's id",
    "build": "A build's id",
    "certificate": "A certificate's name or id",
    "collaborator": "An e-mail address, or the id of an account or a collaborator",
    "delivery": "A delivery's id",
    "domain": "A hostname, in any script, or the id of a domain",
    "drain": "A log drain's id, its token, or its whole URL",
    "dyno": "A dyno's name, such as web.1, or its id",
    "event": "An event's id",
    "feature": "A feature's name",
    "key": "An SSH key's id or fingerprint",
    "member": "A member's e-mail address or id",
    "plan": "A plan's name",
    "release": "A release's version, such as 3 or v3, or its id",
    "stack": "A stack's name or id",
    "team": "An organization's name or id",
    "transfer": "A transfer's id, or the name or id of its app",
    "ticket": "The value from a URL that the API returned",
    "upload": "The value from a put_url",
    "webhook": "A webhook's id",
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
    "plans": "Plans",
    "teams": "Organizations",
    "organizations": "Organizations",
}
RANGE = "The range of a list: `name ..; max=100, order=desc`, or the value of Next-Range"
BYTES = {"type": "string", "format": "binary"}
UPLOADED = ("application/gzip", "application/octet-stream")
# aiohttp itself sends this for a body that is too large.
TOO_LARGE = 413
WITHOUT_TOKEN: Mapping[object, list[Json]] = {account.authorize: [{"basic": []}, {"bearer": ["global"]}]}
SCHEMAS = "#/components/schemas/{name}"


def served(rows: Sequence[Row]) -> OpenEndpoint:
    """Return the endpoint that shows the OpenAPI document of `rows` and of itself."""

    async def show(_request: web.Request, _params: Mapping[str, str]) -> Reply:
        """Show this document."""
        return Reply(document((*rows, endpoint)))

    endpoint = OpenEndpoint("GET", PATH, show, gives=Gives(dict))
    return endpoint


def document(rows: Iterable[Row]) -> Json:
    """Return the OpenAPI document of some endpoints."""
    described = list(rows)
    answers, shown = schema_components([*(row.gives.kind for row in described), Error], ref_template=SCHEMAS)
    bodies, taken = schema_components([row.takes for row in described], ref_template=SCHEMAS)
    paths: dict[str, dict[str, Json]] = {}
    for row, answer, body in zip(described, answers, bodies, strict=False):
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, answer, body)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SkyPanel",
            "version": version("skypanel"),
            "description": "The part of Heroku's Platform API v3 that this panel supports.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**taken, **{name: _complete(schema) for name, schema in shown.items()}},
            "responses": {f"Error{status}": _error(name) for status, name in _errors()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API token"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "An API token as the password, with any user name without an @",
                },
            },
        },
    }


def _complete(schema: Json) -> Json:
    """Return the schema of an answer with all fields required: answers never leave one out, even if it has a default."""
    if "properties" not in schema:
        return schema
    properties = {name: {key: value for key, value in each.items() if key != "default"} for name, each in schema["properties"].items()}
    return {**schema, "properties": properties, "required": list(properties)}


def _operation(row: Row, answer: Json, body: Json) -> Json:
    operation: dict[str, Json] = {
        "operationId": re.sub(r"[^a-z0-9]+", "_", f"{row.method} {row.path}".lower().replace("~", "own")).strip("_"),
        "summary": (row.handle.__doc__ or "").partition("\n")[0],
        "tags": [TAGS.get(row.path.split("/")[1], "Lists")],
        "parameters": _parameters(row),
        "responses": {**_good(row, answer), **{str(status): {"$ref": f"#/components/responses/Error{status}"} for status, _ in _errors()}},
        "security": _security(row),
    }
    if isinstance(row, OpenEndpoint) and row.is_upload:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": BYTES} for kind in UPLOADED},
        }
    if row.takes is not None:
        operation["requestBody"] = {"required": isinstance(row.takes, type), "content": {JSON: {"schema": body}}}
    return operation


def _parameters(row: Row) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "description": PARAMS.get(name, name), "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", row.path)
    ]
    if row.method == "GET" and row.gives.is_page:
        found.append({"name": "Range", "in": "header", "description": RANGE, "schema": {"type": "string"}})
    return found


def _good(row: Row, schema: Json) -> dict[str, Json]:
    gives = row.gives
    if gives.kind is None:
        return {}
    answer = {"description": "As asked", "content": {content_type: {"schema": schema} for content_type in gives.content_types}}
    answers: dict[str, Json] = {str(status): answer for status in gives.statuses}
    if gives.is_page:
        answers["206"] = {
            **answer,
            "description": "A page of the list",
            "headers": {"Next-Range": {"description": "The Range of the next page", "required": True, "schema": {"type": "string"}}},
        }
    if row.method == "GET" and JSON in gives.content_types:
        answers["304"] = {"description": "Not modified: the resource still matches If-None-Match"}
    return answers


def _security(row: Row) -> list[Json]:
    if isinstance(row, OpenEndpoint):
        return list(WITHOUT_TOKEN.get(row.handle, []))
    scopes = [scope for scope, covered in SCOPES.items() if row.needs in covered]
    return [{"bearer": scopes}, {"basic": scopes}]


def _errors() -> list[tuple[int, str]]:
    return sorted({*STATUS.values(), UNEXPECTED, (TOO_LARGE, "request_entity_too_large")})


def _error(name: str) -> Json:
    return {
        "description": name.replace("_", " ").capitalize(),
        "content": {JSON: {"schema": {"$ref": SCHEMAS.format(name=Error.__name__)}}},
    }
