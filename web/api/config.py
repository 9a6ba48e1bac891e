"""Config vars: write-only."""

from collections.abc import Sequence

from skypanel.domain.config_vars import MAX_VALUE_BYTES, warnings
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable
from skypanel.flow import config as config_flow
from web.api.calls import Call, Reply
from web.api.releases import version
from web.api.schema import mapping, string
from web.api.serializers import MASK, masked

# A value's own check counts bytes, and says more.
CHANGES = mapping(string(MAX_VALUE_BYTES * 2, nullable=True))
WRITE_ONLY = "Config vars are write-only: their values are never shown."
# By which the Heroku CLI is told apart, and how a caller says that it knows masks from values.
CLI = "heroku-cli/"
HEADER, KNOWS_MASKS = "Config-Vars", "masked"


async def show(call: Call) -> Reply:
    """List an app's config vars, their values masked.

    The Heroku CLI is refused where there are any: its `config:get` asks for the same as its `config` does, and hands masks on.
    """
    app = await call.app()
    found = await config_flow.keys(call.panel, app)
    headers = call.request.headers
    if found and headers.get("User-Agent", "").startswith(CLI) and headers.get(HEADER) != KNOWS_MASKS:
        raise Invalid(WRITE_ONLY, f"{app.name} has {', '.join(found)}; to list them masked, type: skypanel heroku config -a {app.name}")
    return _masked(found)


async def change(call: Call) -> Reply:
    """Set config vars, and unset those that are null."""
    app = await call.app()
    masks = [key for key, value in call.body.items() if value == MASK]
    if masks:
        raise Invalid(
            f"{', '.join(printable(key) for key in masks)}: {MASK} stands for a value that is not shown.",
            "Set only what is to change, to its new value.",
        )
    changes = await config_flow.put(call.panel, app, call.body, call.account)
    return _masked(await config_flow.keys(call.panel, app), warnings(changes))


async def of_release(call: Call) -> Reply:
    """List the config vars that a release ran with, their values masked."""
    app = await call.app()
    return _masked(await config_flow.keys_of(call.panel, app, version(call.params["release"])))


def _masked(keys: Sequence[str], said: Sequence[str] = ()) -> Reply:
    told = " ".join((*said, *([WRITE_ONLY] if keys else [])))
    return Reply(masked(keys), headers={"Warning-Message": told} if told else {})
