"""Helpers to inspect deploys on a stage."""

from uuid import uuid4

from skypanel.domain.errors import Conflict, Invalid
from skypanel.flow.follow import follow_build
from skypanel.store import apps, releases


async def follow(stage, build):
    lines = []

    async def write(line):
        lines.append(line)

    try:
        release = await follow_build(stage.panel, build.id, write)
    except (Invalid, Conflict) as error:
        return error, lines
    return release, lines


async def current(stage, app):
    async with stage.panel.transaction() as conn:
        found = await apps.get(conn, app.id)
        return await releases.get(conn, found.current_release_id) if found.current_release_id else None


async def deployed(stage, name="hello"):
    app = await stage.app(name)
    await stage.push(app)
    await stage.work()
    return app


async def pushed(stage, app):
    build = await stage.push(app, str(uuid4()))
    await stage.work()
    return await follow(stage, build)
