"""The buildpacks of an app."""

from typing import Annotated

from msgspec import Meta

from skypanel.flow import buildpacks as buildpacks_flow
from web.api.bodies import Body, Several
from web.api.calls import Call, Reply
from web.api.ranges import Page
from web.api.resources import apps

MAX_URL = 1024


class Choice(Body):
    """A buildpack by its name or URL."""

    buildpack: Annotated[str, Meta(max_length=MAX_URL)]


class Choices(Body):
    """All buildpacks of an app."""

    updates: Several[Choice]


async def index(call: Call) -> Page:
    """List the buildpacks of an app, in their order."""
    return Page(apps.buildpacks((await call.app()).buildpacks))


async def choose(call: Call, body: Choices) -> Reply:
    """Replace the buildpacks of an app. With an empty list, the buildpack is detected."""
    app, wanted = await call.app(), [update.buildpack for update in body.updates]
    await buildpacks_flow.choose(call.panel, app, wanted, call.account)
    return Reply(apps.buildpacks(wanted))
