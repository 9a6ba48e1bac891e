"""Plans: list them, and for administrators add, change, retire and delete them."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from msgspec import UNSET, Meta, structs

from skypanel.domain.account import Account
from skypanel.domain.plan import PlanEntry, read_offer
from skypanel.flow import plans
from skypanel.ports.panel import Panel
from web.api.bodies import Body, Maybe, Number, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import plans as resources

# Numbers with decimals are texts, as in answers: JSON's numbers would round them.
Amount = Annotated[str, Meta(max_length=20)]


class NewPlan(Body):
    """A new plan, by what one dyno gets and costs per hour."""

    name: Text
    cpu_cores: Amount
    memory_mib: Number
    max_dynos: Number
    hourly_price: Amount


class PlanChange(Body):
    """What a new version of a plan has otherwise."""

    cpu_cores: Maybe[Amount] = UNSET
    memory_mib: Maybe[Number] = UNSET
    max_dynos: Maybe[Number] = UNSET
    hourly_price: Maybe[Amount] = UNSET


async def index(call: Call) -> Page:
    """List the plans that an app can choose; for administrators, the retired ones too."""
    if call.account.is_admin:
        found = await plans.overview(call.panel, call.account)
    else:
        found = [PlanEntry(plan, is_retired=False, apps=0, outdated=0) for plan in await plans.offered(call.panel)]
    return paginate([resources.plan(each) for each in found], call.range, "name")


async def show(call: Call) -> Reply:
    """Show a plan."""
    return Reply(resources.plan(await _entry(call)))


async def create(call: Call, body: NewPlan) -> Reply:
    """Add a plan that apps can choose."""
    plan = await plans.create(call.panel, call.account, read_offer(_typed(body)))
    return Reply(resources.plan(PlanEntry(plan, is_retired=False, apps=0, outdated=0)), 201)


async def change(call: Call, body: PlanChange) -> Reply:
    """Make a new version of a plan. Apps stay on the version that they have, until they are moved."""
    before = (await _entry(call)).plan
    await plans.change(call.panel, call.account, read_offer({**before.fields(), **_typed(body)}))
    return await show(call)


async def delete(call: Call) -> Reply:
    """Delete a plan that no app is on."""
    was = await show(call)
    await plans.delete(call.panel, call.account, call.params["plan"])
    return was


async def retire(call: Call) -> Reply:
    """Do not offer a plan any more; apps that are on it stay."""
    return await _changed(call, plans.retire)


async def restore(call: Call) -> Reply:
    """Offer a retired plan again."""
    return await _changed(call, plans.restore)


async def _changed(call: Call, act: Callable[[Panel, Account, str], Awaitable[None]]) -> Reply:
    await act(call.panel, call.account, call.params["plan"])
    return await show(call)


async def _entry(call: Call) -> PlanEntry:
    entry, _ = await plans.find(call.panel, call.account, call.params["plan"])
    return entry


def _typed(body: NewPlan | PlanChange) -> dict[str, str]:
    fields = {name: str(value) for name, value in structs.asdict(body).items() if value is not UNSET}
    return {"max_replicas" if name == "max_dynos" else name: text for name, text in fields.items()}
