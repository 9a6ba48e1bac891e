"""Reads forms that the dashboard's pages send."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web

from skypanel.domain.access import Action
from skypanel.domain.errors import Invalid
from web import idempotency, session

CONTENT_TYPE = "application/x-www-form-urlencoded"
TOKEN = "form_token"  # noqa: S105 - a field's name
MAX_FIELDS = 20

# Any number of nine digits fits into a Postgres integer.
MAX_DIGITS = 9

Fields = Mapping[str, str]
Do = TypeVar("Do")


@dataclass(frozen=True)
class FormAction(Generic[Do]):
    """What a form or one of its buttons does, and the action that it needs."""

    needs: Action
    do: Do


def chosen(fields: Fields, actions: Mapping[str, Do], error: Invalid) -> Do:
    """Return the action of the button that sent a form. Raises `error` if it is none of these."""
    action = actions.get(fields.get("do", ""))
    if action is None:
        raise error
    return action


def number(text: str, error: Invalid) -> int:
    """Return a whole number that a Postgres integer can hold. Raises `error` if the text is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise error
    return int(text)


async def read(request: web.Request, max_fields: int = MAX_FIELDS) -> Fields:
    """Return the fields of a form. Raises Denied if its CSRF token is wrong, Invalid if the form cannot be parsed.

    A form that was sent before gets the answer of the first time.
    """
    if request.content_type != CONTENT_TYPE:
        raise web.HTTPUnsupportedMediaType
    try:
        body = await request.read()
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=max_fields, errors="strict"))
    except (ValueError, ConnectionError, web.RequestPayloadError) as error:
        raise Invalid("The form cannot be read.", "Reload the page and fill in the form again.") from error
    session.check_form(request, fields.get(TOKEN, ""))
    await idempotency.begin(request, fields.get(idempotency.KEY, ""))
    return fields
