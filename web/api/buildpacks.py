"""The buildpacks of an app."""

from collections.abc import Sequence

from skypanel.domain.buildpack import named
from skypanel.flow import buildpacks as buildpacks_flow
from web.api.calls import Call, Reply
from web.api.ranges import Page
from web.api.schema import Json, array, record, string

MAX_URL = 1024
UPDATES = record("updates", updates=array(record("buildpack", buildpack=string(MAX_URL))))


async def index(call: Call) -> Page:
    """List the buildpacks that were chosen for an app, in their order."""
    return Page(_shown((await call.app()).buildpacks))


async def choose(call: Call) -> Reply:
    """Choose all of an app's buildpacks anew; none has one detected."""
    app, wanted = await call.app(), [update["buildpack"] for update in call.body["updates"]]
    await buildpacks_flow.choose(call.panel, app, wanted, call.account)
    return Reply(_shown(wanted))


def _shown(texts: Sequence[str]) -> list[Json]:
    return [{"ordinal": place, "buildpack": {"name": named(text).name, "url": text}} for place, text in enumerate(texts)]
