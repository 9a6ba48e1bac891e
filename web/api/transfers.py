"""Offers of apps to other people (https://devcenter.heroku.com/articles/platform-api-reference#app-transfer)."""

from skypanel.domain.access import Action
from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.names import printable
from skypanel.domain.transfer import Transfer, TransferState
from skypanel.flow import apps as apps_flow
from skypanel.flow import people
from skypanel.flow import transfer as transfer_flow
from web.api import serializers
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.schema import Json, boolean, record, string

OFFER = record("app", "recipient", app=string(), recipient=string(), silent=boolean())
ANSWER = record("state", state=string())


async def index(call: Call) -> Page:
    """List the offers of apps that the caller made or got."""
    found = await transfer_flow.of(call.panel, call.account)
    return paginate([_shown(each) for each in found], call.range, "created_at")


async def show(call: Call) -> Reply:
    """Show an offer of an app."""
    return Reply(_shown(await _named(call)))


async def create(call: Call) -> Reply:
    """Offer an app to somebody, who is to accept it."""
    app = await apps_flow.access(call.panel, call.account, call.body["app"], Action.TRANSFER_APP)
    email = call.body["recipient"]
    recipient = await people.known(call.panel, email)
    if recipient is None:
        raise Invalid(f"{email.lower()} has no account here.", "Ask an administrator of this panel to make one.")
    made = await transfer_flow.offer(call.panel, app, recipient, call.account)
    told = f"No mail is sent: tell {recipient.email} to accept {app.name} on the dashboard, {call.panel.address.dashboard_url()}"
    return Reply(_shown(made), 201, {"Warning-Message": told})


async def answer(call: Call) -> Reply:
    """Accept an app into the caller's first organization, or decline it."""
    offered, state = await _named(call), call.body["state"]
    if state == TransferState.ACCEPTED:
        await transfer_flow.accept(call.panel, offered, call.account)
    elif state == TransferState.DECLINED:
        await transfer_flow.decline(call.panel, offered, call.account)
    else:
        raise Invalid(f"{printable(state)} is no answer to an offer.", f"Say {TransferState.ACCEPTED} or {TransferState.DECLINED}.")
    return Reply(_shown(await transfer_flow.get(call.panel, offered.id)))


async def withdraw(call: Call) -> Reply:
    """Take an offer back."""
    offered = await _named(call)
    await transfer_flow.withdraw(call.panel, offered, call.account)
    return Reply(_shown(offered))


async def _named(call: Call) -> Transfer:
    """Return the caller's newest offer of an id, or of an app's name or id. Raises NotFound."""
    asked = call.params["transfer"]
    found = [each for each in await transfer_flow.of(call.panel, call.account) if asked in {str(each.id), str(each.app_id), each.app_name}]
    if not found:
        raise NotFound("There is no such transfer.", "GET /account/app-transfers lists yours.")
    return found[-1]


def _shown(of: Transfer) -> Json:
    return {
        "id": str(of.id),
        "app": {"id": str(of.app_id), "name": of.app_name},
        "created_at": serializers.time(of.created_at),
        "owner": serializers.user_ref(of.sender.id, of.sender.email),
        "recipient": serializers.user_ref(of.recipient.id, of.recipient.email),
        "state": of.state.value,
        "updated_at": serializers.time(of.answered_at or of.created_at),
    }
