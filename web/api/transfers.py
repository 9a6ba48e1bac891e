"""Offers of apps to other people (https://devcenter.heroku.com/articles/platform-api-reference#app-transfer)."""

from skypanel.domain.access import Action
from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.names import printable
from skypanel.domain.transfer import Transfer, TransferState
from skypanel.flow import apps as apps_flow
from skypanel.flow import people
from skypanel.flow import transfer as transfer_flow
from web.api.bodies import Body, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import people as resources


class NewTransfer(Body):
    """A new app transfer."""

    app: Text
    recipient: Text
    silent: bool = False


class TransferAnswer(Body):
    """The answer to an app transfer."""

    state: Text


async def index(call: Call) -> Page:
    """List the app transfers that the caller offered or received."""
    found = await transfer_flow.of(call.panel, call.account)
    return paginate([resources.transfer(each) for each in found], call.range, "created_at")


async def show(call: Call) -> Reply:
    """Show an app transfer."""
    return Reply(resources.transfer(await _named(call)))


async def create(call: Call, body: NewTransfer) -> Reply:
    """Offer an app to another account, which can accept it."""
    app = await apps_flow.access(call.panel, call.account, body.app, Action.TRANSFER_APP)
    email = body.recipient
    recipient = await people.known(call.panel, email)
    if recipient is None:
        raise Invalid(f"{email.lower()} has no account here.", "Ask an administrator of this panel to create one.")
    made = await transfer_flow.offer(call.panel, app, recipient, call.account)
    warning = f"No e-mail is sent: ask {recipient.email} to accept {app.name} on the dashboard, {call.panel.address.dashboard_url()}"
    return Reply(resources.transfer(made), 201, {"Warning-Message": warning})


async def answer(call: Call, body: TransferAnswer) -> Reply:
    """Accept an app transfer into the caller's first organization, or decline it."""
    offered, state = await _named(call), body.state
    if state == TransferState.ACCEPTED:
        await transfer_flow.accept(call.panel, offered, call.account)
    elif state == TransferState.DECLINED:
        await transfer_flow.decline(call.panel, offered, call.account)
    else:
        raise Invalid(f"{printable(state)} is not an answer to an offer.", f"Use {TransferState.ACCEPTED} or {TransferState.DECLINED}.")
    return Reply(resources.transfer(await transfer_flow.get(call.panel, offered.id)))


async def withdraw(call: Call) -> Reply:
    """Withdraw an app transfer."""
    offered = await _named(call)
    await transfer_flow.withdraw(call.panel, offered, call.account)
    return Reply(resources.transfer(offered))


async def _named(call: Call) -> Transfer:
    """Return the caller's newest offer of an id, or of an app's name or id. Raises NotFound."""
    requested = call.params["transfer"]
    found = [
        each for each in await transfer_flow.of(call.panel, call.account) if requested in {str(each.id), str(each.app_id), each.app_name}
    ]
    if not found:
        raise NotFound("There is no such transfer.", "Call GET /account/app-transfers to list yours.")
    return found[-1]
