"""Config vars: write-only."""

from skypanel.domain.app import App
from skypanel.domain.config_vars import MAX_VALUE_BYTES
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable
from skypanel.flow import config as config_flow
from skypanel.store import config_vars, releases
from web.api.calls import Call, Reply
from web.api.releases import version
from web.api.schema import mapping, string
from web.api.serializers import MASK, masked

# A value's own check counts bytes, and says more.
CHANGES = mapping(string(MAX_VALUE_BYTES * 2, nullable=True))
WARNING = {"Warning-Message": "Config vars are write-only: their values are never shown."}


async def show(call: Call) -> Reply:
    """List an app's config vars, their values masked."""
    return await _shown(call, await call.app())


async def change(call: Call) -> Reply:
    """Set config vars, and unset those that are null."""
    app = await call.app()
    masks = [key for key, value in call.body.items() if value == MASK]
    if masks:
        raise Invalid(
            f"{', '.join(printable(key) for key in masks)}: {MASK} stands for a value that is not shown.",
            "Set only what is to change, to its new value.",
        )
    async with call.panel.autocommit() as conn:
        known = (await config_vars.head(conn, app.id)).secrets
    # As there: to unset what is not set is no error.
    changes = {key: value for key, value in call.body.items() if value is not None or key in known}
    await config_flow.change(call.panel, app, changes, call.account)
    return await _shown(call, app)


async def of_release(call: Call) -> Reply:
    """List the config vars that a release ran with, their values masked."""
    app = await call.app()
    async with call.panel.autocommit() as conn:
        release = await releases.by_version(conn, app.id, version(call.params["release"]))
        found = await config_vars.get(conn, release.config_version_id)
    return Reply(masked(sorted(found.secrets)), headers=WARNING)


async def _shown(call: Call, app: App) -> Reply:
    async with call.panel.autocommit() as conn:
        found = await config_vars.head(conn, app.id)
    return Reply(masked(sorted(found.secrets)), headers=WARNING if found.secrets else {})
