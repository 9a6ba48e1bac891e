"""Everybody with an account, for administrators: who there is, and a link by which somebody gets in."""

from skypanel.domain.account import Account
from skypanel.flow import people
from skypanel.flow.invitation import Invitation
from web.api import serializers
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.schema import Json, record, string

INVITE = record("email", email=string())


async def index(call: Call) -> Page:
    """List all accounts."""
    found = await people.overview(call.panel, call.account)
    return paginate([serializers.account_entry(each) for each in found], call.range, "email")


async def show(call: Call) -> Reply:
    """Show an account."""
    return Reply(await _shown(call, await _found(call)))


async def invite(call: Call) -> Reply:
    """Make an account where there is none, and a link by which somebody signs in to set a password."""
    return await _admitted(call, await people.invite(call.panel, call.body["email"], call.account), 201)


async def reset(call: Call) -> Reply:
    """Take an account's password away, end its sessions, and make such a link."""
    return await _admitted(call, await people.reset(call.panel, await _found(call), call.account), 200)


async def _found(call: Call) -> Account:
    return await people.find(call.panel, call.account, call.params["account"])


async def _shown(call: Call, account: Account) -> Json:
    return serializers.account_entry(await people.show(call.panel, account, call.account))


async def _admitted(call: Call, invitation: Invitation, status: int) -> Reply:
    shown = {**await _shown(call, invitation.account), "sign_in_url": invitation.url(call.panel.address)}
    return Reply(shown, status, {"Cache-Control": "no-store"})
