"""Things of which a panel has one or none, in the form that clients expect."""

from skypanel.domain.errors import NotFound
from skypanel.domain.names import printable
from skypanel.domain.slug import STACK
from web.api.bodies import Fields
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources.common import STACK_REF
from web.api.resources.places import Region, Stack

Switches = Fields[bool]


async def none(_call: Call) -> Page:
    """Return an empty list: accounts have none of these."""
    return Page([])


async def none_of_app(call: Call) -> Page:
    """Return an empty list: apps have none of these."""
    await call.app()
    return Page([])


async def no_feature(call: Call, _switches: Switches | None = None) -> Reply:
    """Answer 404: accounts have no features."""
    raise NotFound(f"There is no feature {printable(call.params['feature'])}.", "This panel has none.")


async def no_feature_of_app(call: Call, _switches: Switches | None = None) -> Reply:
    """Answer 404: apps have no features."""
    await call.app()
    return await no_feature(call)


async def no_coupling(call: Call) -> Reply:
    """Answer 404: apps are not in pipelines."""
    app = await call.app()
    raise NotFound(f"{app.name} is not in a pipeline.")


async def stacks(call: Call) -> Page:
    """List the stacks."""
    return paginate([Stack()], call.range, "name")


async def stack(call: Call) -> Reply:
    """Show a stack."""
    if call.params["stack"] not in {STACK_REF.id, STACK_REF.name}:
        raise NotFound("There is no such stack.", f"The only one is {STACK}.")
    return Reply(Stack())


async def regions(call: Call) -> Page:
    """List the regions."""
    return paginate([Region()], call.range, "name")
