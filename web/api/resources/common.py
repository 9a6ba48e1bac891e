"""Types and values that several resources share."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from skypanel.domain.access import Role
from skypanel.domain.identity import derived_id
from skypanel.domain.ids import AccountId
from skypanel.domain.slug import STACK

Id = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Email = Annotated[str, Meta(extra_json_schema={"format": "email"})]
Url = Annotated[str, Meta(extra_json_schema={"format": "uri"})]
Count = Annotated[int, Meta(ge=0)]
# Heroku's words for roles, which its clients expect. Its collaborator has the least rights, as our viewer does.
RoleWord = Literal["collaborator", "member", "admin", "owner"]
ROLE_WORDS: dict[Role, RoleWord] = {Role.VIEWER: "collaborator", Role.DEVELOPER: "member", Role.ADMIN: "admin", Role.OWNER: "owner"}
REGION, GENERATION = "local", "cedar"
_TO_SECONDS = len("2026-11-30T12:00:00")


class Resource(Struct, forbid_unknown_fields=True, gc=False):
    """A resource: always with all of its fields, in their order. A field with a default has the same value in all instances."""


class Ref(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A reference to a resource without a name."""

    id: Id


class Named(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A reference to a resource."""

    id: Id
    name: str


class Person(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A reference to an account."""

    id: Id
    email: Email


class Nothing(Resource):
    """An empty answer."""


class Error(Resource):
    """An error: a code for programs and a message for people."""

    id: str
    message: str


STACK_REF = Named(id=str(derived_id("stack", STACK)), name=STACK)
REGION_REF = Named(id=str(derived_id("region", REGION)), name=REGION)
GENERATION_REF = Named(id=str(derived_id("generation")), name=GENERATION)
NOBODY = Person(id=str(derived_id("nobody")), email="nobody@skypanel.invalid")


def time(moment: datetime) -> Time:
    """Return a point in time as the API writes it (RFC 3339)."""
    return f"{moment.astimezone(UTC).isoformat()[:_TO_SECONDS]}Z"


def person(account_id: AccountId | None, email: str | None) -> Person:
    """Return the person who did something, or NOBODY if the account is gone: clients always expect a person."""
    return Person(id=str(account_id) if account_id else NOBODY.id, email=email or NOBODY.email)
