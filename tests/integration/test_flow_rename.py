"""Another name for an app: its hostname follows, at once and whatever else is at work on it."""

import asyncio

import pytest

from skypanel.domain.errors import Conflict, Invalid, Unavailable
from skypanel.flow import apps as apps_flow
from skypanel.store import apps, audit, routes


async def test_the_hostname_follows_the_name_and_nothing_else_moves(stage, app):
    before, dynos = stage.panel.router.routes[app.id], await stage.panel.scheduler.dynos(app.id)
    renamed = await apps_flow.rename(stage.panel, app, "hallo", stage.admin)
    assert (renamed.id, renamed.number, renamed.name) == (app.id, app.number, "hallo")
    after = stage.panel.router.routes[app.id]
    assert (after.hosts, after.endpoints) == (("hallo.localhost",), before.endpoints)
    assert await stage.panel.scheduler.dynos(app.id) == dynos
    async with stage.panel.transaction() as conn:
        assert await apps.by_name(conn, "hello") is None
        (entry, *_) = await audit.recent(conn, 1)
    assert (entry.action, entry.app_name, entry.details) == ("app.rename", "hello", {"to": "hallo"})


@pytest.mark.parametrize(("name", "error"), [("admin", Invalid), ("Bad Name", Invalid), ("taken", Conflict)])
async def test_a_name_that_cannot_be_had_changes_nothing(stage, app, name, error):
    await stage.app("taken")
    with pytest.raises(error):
        await apps_flow.rename(stage.panel, app, name, stage.admin)
    async with stage.panel.transaction() as conn:
        assert (await apps.get(conn, app.id)).name == "hello"
        assert (await routes.get(conn, app.id)).hosts == ("hello.localhost",)


async def test_its_own_name_is_no_change(stage, app):
    assert (await apps_flow.rename(stage.panel, app, "hello", stage.admin)).name == "hello"
    async with stage.panel.transaction() as conn:
        assert "app.rename" not in {entry.action for entry in await audit.recent(conn, 20)}


async def test_an_app_that_never_ran_is_renamed_too_and_its_old_name_is_free(stage):
    early = await stage.app("early")
    await apps_flow.rename(stage.panel, early, "late", stage.admin)
    assert (await stage.app("early")).id != early.id


async def test_a_rename_in_the_middle_of_a_rollout_holds(stage, app):
    stage.panel.scheduler.hold = asyncio.Event()
    stage.panel.scheduler.waiting.clear()
    await stage.push(app, "second")
    working = asyncio.create_task(stage.work())
    await stage.panel.scheduler.waiting.wait()
    await apps_flow.rename(stage.panel, app, "hallo", stage.admin)
    stage.panel.scheduler.hold.set()
    await working
    assert stage.panel.router.routes[app.id].hosts == ("hallo.localhost",)
    assert {dyno.key.version for dyno in await stage.panel.scheduler.dynos(app.id)} == {2}


async def test_the_database_has_the_new_name_where_the_proxy_does_not_answer(stage, app):
    stage.panel.router.broken = True
    with pytest.raises(Unavailable):
        await apps_flow.rename(stage.panel, app, "hallo", stage.admin)
    async with stage.panel.transaction() as conn:
        assert (await routes.get(conn, app.id)).hosts == ("hallo.localhost",)
