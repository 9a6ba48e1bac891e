"""Choosing an app's buildpacks, in place of detection."""

from collections.abc import Sequence

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.buildpack import named
from skypanel.domain.errors import Invalid
from skypanel.flow import audit
from skypanel.ports.panel import Panel
from skypanel.store import apps

MAX_BUILDPACKS = 20


async def choose(panel: Panel, app: App, wanted: Sequence[str], by: Account) -> None:
    """Set the buildpacks for the next builds, in this order; with an empty list, builds detect one. Raises Invalid."""
    if len(wanted) > MAX_BUILDPACKS:
        raise Invalid(f"The list has {len(wanted)} buildpacks.", f"Choose at most {MAX_BUILDPACKS}.")
    packs = [named(text) for text in wanted]
    for place, pack in enumerate(packs):
        if pack in packs[:place]:
            raise Invalid(f"The buildpack {pack.name} is in the list twice.", "List each one once.")
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        await apps.set_buildpacks(conn, app.id, wanted)
        await audit.record(conn, AuditAction.APP_BUILDPACKS, by, app, buildpacks=list(wanted))
