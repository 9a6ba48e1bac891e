"""The caller's account, SSH keys, and API tokens as OAuth authorizations. Administrators can manage those of any account."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from aiohttp import web
from msgspec import UNSET, Meta

from skypanel.domain.access import AccountAction, Scope
from skypanel.domain.account import Account, Key, Token
from skypanel.domain.errors import Invalid, NotFound
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import passwords, people, two_factor
from skypanel.ports.panel import Panel
from web.api import auth
from web.api.bodies import Body, Maybe, Several, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import accounts
from web.keys import PANEL, client

CODE_HEADER = "Heroku-Two-Factor-Code"
MAX_LIFE_S = 10 * 365 * 24 * 60 * 60
DEFAULT_DESCRIPTION = "Made through the API"
Password = Annotated[str, Meta(max_length=1024)]


class NewPassword(Body):
    """The current and the new password."""

    password: Password
    new_password: Password


class NewKey(Body):
    """An SSH public key, as the line of its .pub file."""

    public_key: Annotated[str, Meta(max_length=16 * 1024)]


class NewAuthorization(Body):
    """A new API token. Without expires_in, it does not expire."""

    scope: Several[Text] = ()
    description: Text = DEFAULT_DESCRIPTION
    expires_in: Maybe[Annotated[int, Meta(ge=1, le=MAX_LIFE_S)]] = UNSET


async def show(call: Call) -> Reply:
    """Show the caller's account."""
    return await _shown_account(call)


async def change(call: Call, body: NewPassword) -> Reply:
    """Change the caller's password. This needs the current password and signs out all browsers."""
    await passwords.change(call.panel, call.account, body.password, body.new_password, "", client(call.request))
    return await _shown_account(call)


async def _shown_account(call: Call) -> Reply:
    has_two_factor = (await two_factor.show(call.panel, call.account)).is_on
    return Reply(accounts.account(call.account, has_two_factor=has_two_factor))


async def list_keys(call: Call) -> Page:
    """List the SSH keys of an account."""
    owner = await _owner(call)
    found = await accounts_flow.keys_of(call.panel, owner)
    return paginate([accounts.key(key, owner.email) for key in found], call.range, "id")


async def add_key(call: Call, body: NewKey) -> Reply:
    """Add an SSH key to an account."""
    owner, key = await _owner(call), call.panel.parse_public_key(body.public_key, "API key")
    added = await accounts_flow.add_key(call.panel, owner, key, by=call.account)
    return Reply(accounts.key(added, owner.email), 201)


async def show_key(call: Call) -> Reply:
    """Show an SSH key, by its id or fingerprint."""
    owner = await _owner(call)
    return Reply(accounts.key(await _key(call, owner), owner.email))


async def remove_key(call: Call) -> Reply:
    """Remove an SSH key."""
    owner = await _owner(call)
    key = await _key(call, owner)
    await accounts_flow.remove_key(call.panel, owner, key.fingerprint, by=call.account)
    return Reply(accounts.key(key, owner.email))


async def authorize(request: web.Request, _params: Mapping[str, str], body: NewAuthorization) -> Reply:
    """Create an API token. Authenticate with an e-mail address and its password, or with an API token that may do it."""
    panel, credentials = request.app[PANEL], auth.credentials(request)
    if "@" in credentials.user:
        account = await passwords.prove(panel, credentials.user, credentials.secret, client(request))
        await two_factor.require(panel, account, request.headers.get(CODE_HEADER, ""), client(request))
    else:
        caller = await auth.caller(request, panel)
        caller.check(AccountAction.CHANGE_ACCOUNT)
        account = caller.account
    return await _authorized(panel, account, body, by=account)


async def authorize_other(call: Call, body: NewAuthorization) -> Reply:
    """Create an API token for any account."""
    return await _authorized(call.panel, await _owner(call), body, by=call.account)


async def _authorized(panel: Panel, owner: Account, body: NewAuthorization, *, by: Account) -> Reply:
    scopes = body.scope or (Scope.GLOBAL,)
    if len(scopes) != 1 or scopes[0] not in set(Scope):
        raise Invalid("An API token has one scope.", f"Give one of these: {', '.join(Scope)}.")
    life = timedelta(seconds=body.expires_in) if body.expires_in is not UNSET else None
    description = body.description or DEFAULT_DESCRIPTION
    token, secret = await accounts_flow.authorize(panel, owner, description, Scope(scopes[0]), life, by=by)
    shown = accounts.authorization(token, owner, panel.clock.now(), secret)
    return Reply(shown, 201, {"Cache-Control": "no-store"})


async def authorizations(call: Call) -> Page:
    """List the API tokens of an account. Only the token of this request includes its secret."""
    owner = await _owner(call)
    found = await accounts_flow.tokens_of(call.panel, owner)
    return paginate([_shown(call, owner, token) for token in found], call.range, "id")


async def authorization(call: Call) -> Reply:
    """Show an API token."""
    owner = await _owner(call)
    return Reply(_shown(call, owner, await _token(call, owner)))


async def revoke(call: Call) -> Reply:
    """Revoke an API token."""
    owner = await _owner(call)
    token = await _token(call, owner)
    await accounts_flow.revoke_token(call.panel, owner, token.id, by=call.account)
    return Reply(_shown(call, owner, token))


async def end_session(call: Call) -> Reply:
    """Revoke the token of this request, to log out."""
    await accounts_flow.revoke_token(call.panel, call.account, call.caller.token_id, by=call.account)
    return Reply(accounts.Session(id=str(call.caller.token_id)))


async def no_default_authorization(_call: Call) -> Reply:
    """Answer 404: there is no default authorization."""
    raise NotFound("There is no default authorization.", "Run `heroku authorizations` to list your API tokens.")


async def _owner(call: Call) -> Account:
    """Return the account in the path, which only an administrator may name; without one, the caller. Raises Denied or NotFound."""
    return await people.find(call.panel, call.account, call.params["account"]) if "account" in call.params else call.account


async def _key(call: Call, owner: Account) -> Key:
    for key in await accounts_flow.keys_of(call.panel, owner):
        if call.params["key"] in {str(key.id), key.fingerprint}:
            return key
    raise NotFound("There is no such SSH key.", "Run `heroku keys` to list yours.")


async def _token(call: Call, owner: Account) -> Token:
    token_id = call.id("authorization", "API token")
    for token in await accounts_flow.tokens_of(call.panel, owner):
        if token.id == token_id:
            return token
    raise NotFound("There is no such API token.", "Run `heroku authorizations` to list yours.")


def _shown(call: Call, owner: Account, token: Token) -> accounts.Authorization:
    secret = auth.credentials(call.request).secret if token.id == call.caller.token_id else None
    return accounts.authorization(token, owner, call.panel.clock.now(), secret)
