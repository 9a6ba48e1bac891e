"""Queries about what exists of an organization."""

from skypanel.store import apps
from skypanel.store import organizations as stored


async def app_names(stage, organization):
    async with stage.panel.transaction() as conn:
        return [app.name for app in await apps.of_organization(conn, organization.id)]


async def exists(stage, organization):
    async with stage.panel.transaction() as conn:
        return await stored.by_name(conn, organization.name) is not None
