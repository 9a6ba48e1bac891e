"""The types of rows in the table of endpoints."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from web.api.calls import Answer, Needs
from web.api.resources.common import Nothing

JSON, TEXT, EVENTS = "application/json", "text/plain", "text/event-stream"
Type = Any  # a type that msgspec can encode or decode


@dataclass(frozen=True)
class Gives:
    """The successful answer of an endpoint. Without a `kind` it never succeeds; if `is_page`, the answer may be a part of a list."""

    kind: Type
    statuses: tuple[int, ...] = (200,)
    content_types: tuple[str, ...] = (JSON,)
    is_page: bool = False


def one(kind: Type) -> Gives:
    """Return the answer 200 with one resource."""
    return Gives(kind)


def made(kind: Type) -> Gives:
    """Return the answer 201 with a new resource."""
    return Gives(kind, (201,))


def page(kind: Type) -> Gives:
    """Return the answer 200 or 206 with a page of a list."""
    return Gives(list[kind], is_page=True)


NEVER = Gives(None)
ACCEPTED = Gives(Nothing, (202,))
NONE = Gives(Annotated[list[Any], Meta(max_length=0)], is_page=True)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint for callers with a token. The token's scope must allow `needs`; for an app, the role must too.

    `handle` gets the call, then the body if the endpoint takes one.
    """

    method: str
    path: str
    needs: Needs
    handle: Callable[..., Awaitable[Answer]]
    takes: Type = None
    gives: Gives = NEVER


@dataclass(frozen=True)
class OpenEndpoint:
    """An endpoint that authenticates callers itself.

    `handle` gets the request, the path parameters, and the body if the endpoint takes one. With `is_upload` it reads the body itself.
    """

    method: str
    path: str
    handle: Callable[..., Awaitable[Answer]]
    takes: Type = None
    gives: Gives = NEVER
    is_upload: bool = False
