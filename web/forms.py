"""Reads forms that the dashboard's pages send."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from skypanel.domain.errors import Invalid
from web import idempotency, session

CONTENT_TYPE = "application/x-www-form-urlencoded"
TOKEN = "form_token"  # noqa: S105 - a field's name
MAX_FIELDS = 20

Fields = Mapping[str, str]


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
