"""The rows of the table: each tells all there is to know of an endpoint."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from web.api.calls import Answer, Needs
from web.api.resources.common import Nothing

JSON, TEXT, EVENTS = "application/json", "text/plain", "text/event-stream"
Type = Any  # a type of msgspec's


@dataclass(frozen=True)
class Gives:
    """An answer without an error; without a type there is none of this endpoint. A page may be a part of a list."""

    kind: Type
    statuses: tuple[int, ...] = (200,)
    content_types: tuple[str, ...] = (JSON,)
    is_page: bool = False


def one(kind: Type) -> Gives:
    """Return the answer that is a thing."""
    return Gives(kind)


def made(kind: Type) -> Gives:
    """Return the answer that is a thing which there was not before."""
    return Gives(kind, (201,))


def page(kind: Type) -> Gives:
    """Return the answer that is some of a list of things."""
    return Gives(list[kind], is_page=True)


NEVER = Gives(None)
ACCEPTED = Gives(Nothing, (202,))
NONE = Gives(Annotated[list[Any], Meta(max_length=0)], is_page=True)


@dataclass(frozen=True)
class Endpoint:
    """One for those who have a token; `needs` is what its scope and, for an app, the role must allow.

    `handle` is given the call, and after it the body where the endpoint takes one.
    """

    method: str
    path: str
    needs: Needs
    handle: Callable[..., Awaitable[Answer]]
    takes: Type = None
    gives: Gives = NEVER


@dataclass(frozen=True)
class OpenEndpoint:
    """One that sees to itself who calls; `handle` is given the request and the parameters, and one for uploads reads the body too."""

    method: str
    path: str
    handle: Callable[..., Awaitable[Answer]]
    takes: Type = None
    gives: Gives = NEVER
    is_upload: bool = False
