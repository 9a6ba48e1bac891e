"""Config vars. They are write-only: no endpoint returns a value."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from skypanel.domain.config_vars import MAX_VALUE_BYTES, warnings
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable
from skypanel.flow import config as config_flow
from web.api.bodies import Fields
from web.api.calls import Call, Reply
from web.api.releases import version

# Generous: a later check counts bytes and has the better message.
Changes = Fields[Annotated[str, Meta(max_length=MAX_VALUE_BYTES * 2)] | None]
ConfigVars = dict[str, str]
MASK = "********"
WRITE_ONLY = "Config vars are write-only: their values are never shown."
# How the Heroku CLI is recognized, and the header by which a caller says that it can tell masks from values.
CLI = "heroku-cli/"
HEADER, KNOWS_MASKS = "Config-Vars", "masked"


async def show(call: Call) -> Reply:
    """List the config vars of an app, with masked values.

    If there are any, the Heroku CLI is refused: its `config:get` sends the same request as `config`, and would print masks as values.
    """
    app = await call.app()
    found = await config_flow.keys(call.panel, app)
    headers = call.request.headers
    if found and headers.get("User-Agent", "").startswith(CLI) and headers.get(HEADER) != KNOWS_MASKS:
        raise Invalid(WRITE_ONLY, f"{app.name} has {', '.join(found)}; to list them masked, run: skypanel heroku config -a {app.name}")
    return _masked(found)


async def change(call: Call, body: Changes) -> Reply:
    """Set config vars. A null value unsets the config var."""
    app = await call.app()
    masks = [key for key, value in body.items() if value == MASK]
    if masks:
        raise Invalid(
            f"{', '.join(printable(key) for key in masks)}: {MASK} is the mask of a value that is not shown.",
            "Set only the config vars that you want to change.",
        )
    changes = await config_flow.put(call.panel, app, body, call.account)
    return _masked(await config_flow.keys(call.panel, app), warnings(changes))


async def of_release(call: Call) -> Reply:
    """List the config vars of a release, with masked values."""
    app = await call.app()
    return _masked(await config_flow.keys_of(call.panel, app, version(call.params["release"])))


def _masked(keys: Sequence[str], messages: Sequence[str] = ()) -> Reply:
    warning = " ".join((*messages, *([WRITE_ONLY] if keys else [])))
    return Reply(dict.fromkeys(keys, MASK), headers={"Warning-Message": warning} if warning else {})
