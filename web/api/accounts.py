"""Accounts, for administrators: list them, and make sign-in links for them."""

from collections.abc import Awaitable, Callable

from skypanel.domain.account import Account, AccountEntry
from skypanel.flow import people
from skypanel.flow.invitation import Invitation
from skypanel.ports.panel import Panel
from web.api.bodies import Body, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import accounts


class Invitee(Body):
    """The e-mail address of a new account."""

    email: Text


async def index(call: Call) -> Page:
    """List all accounts."""
    found = await people.overview(call.panel, call.account)
    return paginate([accounts.account_entry(each) for each in found], call.range, "email")


async def show(call: Call) -> Reply:
    """Show an account."""
    return Reply(accounts.account_entry(await _entry(call, await _found(call))))


async def invite(call: Call, body: Invitee) -> Reply:
    """Create an account if it does not exist, with a one-time sign-in link."""
    return await _admitted(call, await people.invite(call.panel, body.email, call.account), 201)


async def reset(call: Call) -> Reply:
    """Reset an account: remove its password, end its sessions, and create a one-time sign-in link."""
    return await _admitted(call, await people.reset(call.panel, await _found(call), call.account), 200)


async def disable(call: Call) -> Reply:
    """Disable an account: sign it out everywhere, and refuse its password, keys and tokens."""
    return await _changed(call, people.disable)


async def enable(call: Call) -> Reply:
    """Enable a disabled account again."""
    return await _changed(call, people.enable)


async def promote(call: Call) -> Reply:
    """Make an account an administrator of the panel."""
    return await _changed(call, people.promote)


async def demote(call: Call) -> Reply:
    """Take the administrator's rights from an account."""
    return await _changed(call, people.demote)


async def _changed(call: Call, change: Callable[[Panel, Account, Account], Awaitable[None]]) -> Reply:
    account = await _found(call)
    await change(call.panel, account, call.account)
    return Reply(accounts.account_entry(await _entry(call, account)))


async def _found(call: Call) -> Account:
    return await people.find(call.panel, call.account, call.params["account"])


async def _entry(call: Call, account: Account) -> AccountEntry:
    return await people.show(call.panel, account, call.account)


async def _admitted(call: Call, invitation: Invitation, status: int) -> Reply:
    url = invitation.url(call.panel.address)
    if url is None:
        raise TypeError("who is let in gets a link")
    shown = accounts.admission(await _entry(call, invitation.account), url)
    return Reply(shown, status, {"Cache-Control": "no-store"})
