"""Builds and releases as one history, on a real database."""

from dataclasses import replace

import pytest

from skypanel.domain.commit import Note
from skypanel.domain.deploy import DeployState
from skypanel.domain.errors import NotFound
from skypanel.flow import build as build_flow
from skypanel.flow import config as config_flow
from skypanel.flow import deploys, history
from tests.support import factories
from tests.support.panels import silent
from tests.support.statements import Counting


async def pushed(stage, app, subject="Add a door", *, work=True):
    """Build a commit with a subject."""
    source = replace(factories.source(subject), branch="main", note=Note(subject, "Ada"))
    stage.panel.objects.stored["sources", source.digest] = b"a tree"
    build = await build_flow.request(stage.panel, app, stage.admin.id, source, silent)
    if work:
        await stage.work()
    return build


async def listed(stage, app, limit=50, **page):
    return await history.deploys(stage.panel, app, limit, **page)


async def test_a_build_and_its_release_are_one_entry(stage):
    app = await stage.app("hello")
    build = await pushed(stage, app)
    [entry] = (await listed(stage, app)).entries
    assert (entry.id, entry.title, entry.version, entry.state) == (build.id, "Add a door", 1, DeployState.LIVE)
    assert (entry.source.branch, entry.source.note.author, entry.email) == ("main", "Ada", stage.admin.email)
    assert entry.slug_bytes > 0
    assert entry.took.total_seconds() > 0


async def test_what_has_no_build_is_named_by_its_release(stage, app):
    await config_flow.change(stage.panel, app, {"KEY": "1"}, stage.admin)
    newest, first = (await listed(stage, app)).entries
    assert (newest.title, newest.version, newest.state, newest.took) == ("Set KEY config vars", 2, DeployState.LAUNCHING, None)
    assert (first.title, first.version) == ("Commit cccccccc", 1)
    assert newest.slug_bytes == first.slug_bytes
    assert (await deploys.of_id(stage.panel, app, newest.id)).release.version == 2
    assert (await deploys.of_id(stage.panel, app, first.release_id)).build.id == first.id


async def test_a_failed_and_a_cancelled_build_say_why(stage, app):
    stage.panel.builder.answer("detect", code=1)
    await pushed(stage, app, "No app")
    build = await pushed(stage, app, "Stop this", work=False)
    assert await build_flow.cancel(stage.panel, app.id, "Ada cancelled this.", build.id)
    cancelled, failed, _ = (await listed(stage, app)).entries
    assert (cancelled.state, cancelled.error) == (DeployState.CANCELLED, "Ada cancelled this.")
    assert (failed.state, failed.version, failed.slug_bytes) == (DeployState.FAILED, None, None)
    assert failed.error


async def test_the_history_has_pages_in_both_directions(stage, app):
    other = await stage.app("other")
    await pushed(stage, other, "Not of this app")
    for number in range(2, 6):
        if number % 2:
            await pushed(stage, app, f"Commit {number}")
        else:
            await config_flow.change(stage.panel, app, {"KEY": str(number)}, stage.admin)
            await stage.work()

    def versions(page):
        return [each.version for each in page.entries], page.older and names[page.older], page.newer and names[page.newer]

    everything = await listed(stage, app)
    names = {each.id: each.version for each in everything.entries}
    ids = {version: deploy_id for deploy_id, version in names.items()}
    assert versions(everything) == ([5, 4, 3, 2, 1], None, None)
    assert versions(await listed(stage, app, 2)) == ([5, 4], 4, None)
    assert versions(await listed(stage, app, 2, older_than=ids[4])) == ([3, 2], 2, 3)
    assert versions(await listed(stage, app, 2, older_than=ids[2])) == ([1], None, 1)
    assert versions(await listed(stage, app, 2, newer_than=ids[1])) == ([3, 2], 2, 3)
    assert versions(await listed(stage, app, 2, newer_than=ids[3])) == ([5, 4], 4, None)
    assert versions(await listed(stage, other, 2, older_than=ids[3])) == ([], None, None)


async def test_a_page_is_one_statement(stage, app):
    for number in range(3):
        await pushed(stage, app, f"Commit {number}")
    counting = Counting(stage.panel.database)
    assert len((await history.deploys(replace(stage.panel, database=counting), app, 50)).entries) == 4
    assert counting.count == 1


async def test_a_deploy_of_another_app_is_not_found(stage, app):
    other = await stage.app("other")
    [entry] = (await listed(stage, app)).entries
    for deploy_id in (entry.id, entry.release_id):
        with pytest.raises(NotFound):
            await deploys.of_id(stage.panel, other, deploy_id)
