"""Who calls: the account, its SSH keys, and its API tokens as OAuth authorizations."""

from collections.abc import Mapping
from datetime import timedelta

from aiohttp import web

from skypanel.domain.access import SCOPES, AccountAction
from skypanel.domain.account import Token
from skypanel.domain.errors import Invalid, NotFound
from skypanel.drivers.public_keys import parse_public_key
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import passwords
from skypanel.store import keys, tokens
from web.api import auth, serializers
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.schema import Json, array, integer, record, string
from web.keys import PANEL, client

MAX_LIFE_S = 10 * 365 * 24 * 60 * 60
DEFAULT_DESCRIPTION = "Made through the API"
AUTHORIZE = record(scope=array(string()), description=string(), expires_in=integer(1, MAX_LIFE_S))
CHANGES = record("password", "new_password", password=string(1024), new_password=string(1024))
KEY = record("public_key", public_key=string(16 * 1024))


async def show(call: Call) -> Reply:
    """Show who calls."""
    return Reply(serializers.account(call.account))


async def change(call: Call) -> Reply:
    """Set the caller's password, by the one that is good until then; browsers are signed out."""
    body, address = call.body, client(call.request)
    await passwords.change(call.panel, call.account, body["password"], body["new_password"], "", address)
    return Reply(serializers.account(call.account))


async def list_keys(call: Call) -> Page:
    """List the caller's SSH keys."""
    async with call.panel.autocommit() as conn:
        found = await keys.of(conn, call.account.id)
    return paginate([serializers.key(key, call.account.email) for key in found], call.range, "id")


async def add_key(call: Call) -> Reply:
    """Let an SSH key push as the caller."""
    key = parse_public_key(call.body["public_key"], "API key")
    await accounts_flow.add_key(call.panel, call.account, key.text, key.fingerprint, key.name)
    async with call.panel.autocommit() as conn:
        added = next(each for each in await keys.of(conn, call.account.id) if each.fingerprint == key.fingerprint)
    return Reply(serializers.key(added, call.account.email), 201)


async def show_key(call: Call) -> Reply:
    """Show one of the caller's SSH keys, by its id or fingerprint."""
    async with call.panel.autocommit() as conn:
        for key in await keys.of(conn, call.account.id):
            if call.params["key"] in {str(key.id), key.fingerprint}:
                return Reply(serializers.key(key, call.account.email))
    raise NotFound("There is no such SSH key.", "`heroku keys` lists them.")


async def remove_key(call: Call) -> Reply:
    """Take an SSH key away."""
    shown = await show_key(call)
    await accounts_flow.remove_key(call.panel, call.account, shown.body["fingerprint"])
    return shown


async def authorize(request: web.Request, _params: Mapping[str, str], body: Json) -> Reply:
    """Make an API token, for an e-mail address and its password, or for a token that is good for it."""
    panel, given = request.app[PANEL], auth.credentials(request)
    if "@" in given.user:
        account = await passwords.prove(panel, given.user, given.secret, client(request))
    else:
        caller = await auth.caller(request, panel)
        caller.check(AccountAction.CHANGE_ACCOUNT)
        account = caller.account
    scopes = body.get("scope") or ["global"]
    if len(scopes) != 1 or scopes[0] not in SCOPES:
        raise Invalid("An API token has one scope.", f"Give one of these: {', '.join(SCOPES)}.")
    life = timedelta(seconds=body["expires_in"]) if "expires_in" in body else None
    description = body.get("description") or DEFAULT_DESCRIPTION
    token, secret = await accounts_flow.authorize(panel, account, description, scopes[0], life)
    shown = serializers.authorization(token, account, panel.clock.now(), secret)
    return Reply(shown, 201, {"Cache-Control": "no-store"})


async def authorizations(call: Call) -> Page:
    """List the caller's API tokens; the one that is used shows itself, which its holder has anyway."""
    async with call.panel.autocommit() as conn:
        found = await tokens.of(conn, call.account.id)
    return paginate([_shown(call, token) for token in found], call.range, "id")


async def authorization(call: Call) -> Reply:
    """Show one of the caller's API tokens."""
    return Reply(_shown(call, await _token(call)))


async def revoke(call: Call) -> Reply:
    """Revoke one of the caller's API tokens."""
    token = await _token(call)
    await accounts_flow.revoke_token(call.panel, call.account, token.id)
    return Reply(_shown(call, token))


async def end_session(call: Call) -> Reply:
    """Revoke the token that is used: logging out."""
    await accounts_flow.revoke_token(call.panel, call.account, call.caller.token_id)
    return Reply({"id": str(call.caller.token_id), "description": "Session", "expires_in": 0})


async def no_default_authorization(_call: Call) -> Reply:
    """Say that there is no token that lasts beside those that were made."""
    raise NotFound("There is no default authorization.", "`skypanel tokens` lists your API tokens.")


async def _token(call: Call) -> Token:
    token_id = call.id("authorization", "API token")
    async with call.panel.autocommit() as conn:
        for token in await tokens.of(conn, call.account.id):
            if token.id == token_id:
                return token
    raise NotFound("There is no such API token.", "`skypanel tokens` lists yours.")


def _shown(call: Call, token: Token) -> Json:
    secret = auth.credentials(call.request).secret if token.id == call.caller.token_id else None
    return serializers.authorization(token, call.account, call.panel.clock.now(), secret)
