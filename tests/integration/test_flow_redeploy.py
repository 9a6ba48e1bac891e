"""Deploys that are done again, cancelled, and compared; on a real database."""

import pytest

from skypanel.domain.comparison import KeyChanges
from skypanel.domain.deploy import DeployState
from skypanel.domain.errors import Conflict, Unavailable
from skypanel.flow import build as build_flow
from skypanel.flow import comparison, deploys, history, redeploy
from skypanel.flow import config as config_flow
from skypanel.flow import release as release_flow
from skypanel.flow import remote as remote_flow
from skypanel.store import audit
from tests.support.deploys import current
from tests.support.panels import silent

URL = "https://example.com/ada/app.git"


async def newest(stage, app):
    [entry, *_] = (await history.deploys(stage.panel, app, 50)).entries
    return await deploys.of_id(stage.panel, app, entry.id)


async def recorded(stage):
    async with stage.panel.transaction() as conn:
        [entry] = await audit.recent(conn, 1)
    return entry.action, entry.details


async def test_a_build_is_built_again_from_the_same_source(stage, app):
    first = await newest(stage, app)
    again = await redeploy.redeploy(stage.panel, first, stage.admin)
    assert again.build.source == first.build.source
    assert await recorded(stage) == ("build.request", {"build": str(again.build.id), "source": "git", "again": str(first.build.id)})
    with pytest.raises(Conflict, match="is being built"):
        await redeploy.redeploy(stage.panel, first, stage.admin)
    await stage.work()
    assert (await current(stage, app)).version == 2


async def test_what_has_no_build_is_released_again(stage, app):
    await config_flow.change(stage.panel, app, {"KEY": "1"}, stage.admin)
    await stage.work()
    stage.panel.scheduler.unready = {0, 1, 2}
    made = await redeploy.redeploy(stage.panel, await newest(stage, app), stage.admin)
    assert (made.release.version, made.release.description) == (3, "Redeploy v2")
    assert await recorded(stage) == ("release.redeploy", {"version": 2})
    await stage.work()
    assert (await newest(stage, app)).state is DeployState.FAILED
    stage.panel.scheduler.unready.clear()
    await redeploy.redeploy(stage.panel, await newest(stage, app), stage.admin)
    await stage.work()
    assert (await current(stage, app)).version == 4


async def test_what_is_not_in_storage_cannot_be_deployed_again(stage, app):
    build = await newest(stage, app)
    await config_flow.change(stage.panel, app, {"KEY": "1"}, stage.admin)
    await stage.work()
    release = await newest(stage, app)
    stage.panel.objects.stored.clear()
    for deploy in (build, release):
        with pytest.raises(Unavailable, match="in storage"):
            await redeploy.redeploy(stage.panel, deploy, stage.admin)


async def test_a_deploy_is_cancelled_whatever_it_is_doing(stage, app):
    await stage.push(app, "second")
    await redeploy.cancel(stage.panel, await newest(stage, app), stage.admin)
    assert (await newest(stage, app)).state is DeployState.CANCELLED
    assert (await recorded(stage))[0] == "build.cancel"
    await stage.push(app, "third")
    building = await newest(stage, app)
    await build_flow.work(stage.panel, "worker")
    await redeploy.cancel(stage.panel, building, stage.admin)
    assert (await newest(stage, app)).state is DeployState.CANCELLED
    assert await recorded(stage) == ("release.cancel", {"version": 2})
    with pytest.raises(Conflict, match="has ended"):
        await redeploy.cancel(stage.panel, await newest(stage, app), stage.admin)
    await stage.work()
    assert (await current(stage, app)).version == 1


async def test_config_vars_are_compared_by_key(stage, app):
    assert await comparison.with_previous(stage.panel, await newest(stage, app)) is None
    await config_flow.change(stage.panel, app, {"A": "canary", "B": "1", "C": "1"}, stage.admin)
    await stage.work()
    await config_flow.change(stage.panel, app, {"A": "canary 2", "B": None, "D": "1"}, stage.admin)
    await stage.work()
    found = await comparison.with_previous(stage.panel, await newest(stage, app))
    assert (found.before.version, found.is_same_commit) == (2, True)
    assert found.keys == KeyChanges(added=["D"], changed=["A"], removed=["B"])
    assert "canary" not in repr(found)
    assert await comparison.since(stage.panel, app, found.before) == found.keys
    await release_flow.roll_back(stage.panel, app, 2, stage.admin)
    await stage.work()
    assert not (await comparison.with_previous(stage.panel, await newest(stage, app))).keys


async def test_files_of_commits_that_the_panel_has_not_are_not_compared(stage, publish):
    app = await stage.app("elsewhere")
    for content in ("1", "2"):
        publish("app", {"file": content})
        await remote_flow.choose(stage.panel, app, stage.admin, URL)
        await remote_flow.deploy(stage.panel, app, stage.admin, silent)
        await stage.work()
    found = await comparison.with_previous(stage.panel, await newest(stage, app))
    assert found.old_commit != found.new_commit
    assert found.files is None
