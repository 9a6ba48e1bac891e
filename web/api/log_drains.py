"""Log drains of an app: list, show, add and remove them."""

from typing import Annotated

from msgspec import Meta

from skypanel.domain.log_drain import MAX_URL_LENGTH
from skypanel.flow import log_drains
from web.api.bodies import Body
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import log_drains as resources


class NewLogDrain(Body):
    """A new log drain."""

    url: Annotated[str, Meta(max_length=MAX_URL_LENGTH)]


async def index(call: Call) -> Page:
    """List the log drains of an app."""
    app = await call.app()
    return paginate([resources.log_drain(each) for each in await log_drains.of(call.panel, app)], call.range, "created_at")


async def show(call: Call) -> Reply:
    """Show a log drain."""
    app = await call.app()
    return Reply(resources.log_drain(await log_drains.get(call.panel, app, call.params["drain"])))


async def add(call: Call, body: NewLogDrain) -> Reply:
    """Add a log drain: a server that gets each line of the app's log. No answer has what may be secret in its URL."""
    app = await call.app()
    return Reply(resources.log_drain(await log_drains.add(call.panel, app, call.account, body.url)), 201)


async def remove(call: Call) -> Reply:
    """Remove a log drain."""
    app = await call.app()
    return Reply(resources.log_drain(await log_drains.remove(call.panel, app, call.account, call.params["drain"])))
