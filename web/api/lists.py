"""What there is one of, and what there is none of yet: well-formed for clients that ask."""

from skypanel.domain.errors import NotFound
from skypanel.domain.names import printable
from skypanel.domain.slug import STACK
from web.api import serializers
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate


async def none(_call: Call) -> Page:
    """List what an account has none of."""
    return Page([])


async def none_of_app(call: Call) -> Page:
    """List what an app has none of."""
    await call.app()
    return Page([])


async def no_feature(call: Call) -> Reply:
    """Say that there is no feature to switch."""
    raise NotFound(f"There is no feature {printable(call.params['feature'])}.", "This panel has none.")


async def no_feature_of_app(call: Call) -> Reply:
    """Say that an app has no feature to switch."""
    await call.app()
    return await no_feature(call)


async def no_coupling(call: Call) -> Reply:
    """Say that an app is in no pipeline."""
    app = await call.app()
    raise NotFound(f"{app.name} is in no pipeline.")


async def stacks(call: Call) -> Page:
    """List the stacks."""
    return paginate([{**serializers.stack_ref(), "default": True, "state": "public"}], call.range, "name")


async def stack(call: Call) -> Reply:
    """Show a stack."""
    if call.params["stack"] not in serializers.stack_ref().values():
        raise NotFound("There is no such stack.", f"The only one is {STACK}.")
    return Reply({**serializers.stack_ref(), "default": True, "state": "public"})


async def regions(call: Call) -> Page:
    """List the regions."""
    region = {**serializers.region_ref(), "description": "This panel", "country": "", "locale": "", "private_capable": False}
    return paginate([region], call.range, "name")
