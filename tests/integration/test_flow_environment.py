"""Config vars as a page shows them: names, who set them when, and fingerprints, never values."""

from dataclasses import replace

import pytest

from skypanel.domain.access import Role
from skypanel.domain.errors import Invalid, NotFound
from skypanel.flow import config as config_flow
from skypanel.flow import environment
from skypanel.flow.secrets import reencrypt
from skypanel.store import apps, releases
from tests.support.statements import Counting

DOTENV = "export GREETING='hi there' # for all\n# nothing\nKEY=value\nMULTI=\"two\nlines\"\n"


async def version(stage, app):
    await stage.work()
    async with stage.panel.transaction() as conn:
        return (await releases.get(conn, (await apps.get(conn, app.id)).current_release_id)).version


async def read(stage, app, account=None, **page):
    return await environment.read(stage.panel, app, account or stage.admin, **page)


def changes(found):
    return [(each.number, list(each.added), list(each.changed), list(each.removed)) for each in found.changes]


@pytest.mark.req("R12.2")
async def test_a_var_is_shown_by_who_set_it_when_and_a_fingerprint(stage, app):
    developer = await stage.member(Role.DEVELOPER)
    await config_flow.change(stage.panel, app, {"LD_PRELOAD": "x", "KEY": "canary"}, stage.admin)
    await config_flow.change(stage.panel, app, {"KEY": "canary 2"}, developer)
    key, preload = (await read(stage, app)).variables.items
    assert (key.key, key.email, preload.key, preload.email) == ("KEY", developer.email, "LD_PRELOAD", stage.admin.email)
    assert key.set_at > preload.set_at
    assert "every program" in preload.warning
    assert "canary" not in repr(await read(stage, app))


async def test_equal_values_have_equal_fingerprints_in_all_apps(stage, app):
    other = await stage.app("other")
    await config_flow.change(stage.panel, app, {"A": "same", "B": "another"}, stage.admin)
    await config_flow.change(stage.panel, other, {"C": "same"}, stage.admin)
    marks = {each.key: each.fingerprint for found in (app, other) for each in (await read(stage, found)).variables.items}
    assert marks["A"] == marks["C"] != marks["B"]


async def test_who_may_not_set_vars_sees_no_fingerprints(stage, app):
    viewer = await stage.member(Role.VIEWER)
    await config_flow.change(stage.panel, app, {"KEY": "value"}, stage.admin)
    found = await read(stage, app, viewer)
    assert [(each.key, each.fingerprint) for each in found.variables.items] == [("KEY", None)]
    assert not found.may_change


async def test_the_history_names_keys_and_releases(stage, app):
    await config_flow.change(stage.panel, app, {"A": "1", "B": "1"}, stage.admin)
    await reencrypt(stage.panel)
    await config_flow.change(stage.panel, app, {"A": "2", "B": None, "C": "1"}, stage.admin)
    await config_flow.change(stage.panel, app, {"B": "2"}, stage.admin)
    found = await read(stage, app)
    assert changes(found) == [(4, ["B"], [], []), (3, ["C"], ["A"], ["B"]), (2, ["A", "B"], [], [])]
    assert [each.release for each in found.changes] == [4, 3, 2]
    assert {each.email for each in found.changes} == {stage.admin.email}
    assert (found.older, found.newer) == (None, None)


async def test_the_history_has_pages_in_both_directions(stage, monkeypatch):
    monkeypatch.setattr(environment, "CHANGES", 2)
    app = await stage.app("paged")
    for number in range(5):
        await config_flow.change(stage.panel, app, {"KEY": str(number)}, stage.admin)

    async def numbers(**page):
        found = await read(stage, app, **page)
        return [each.number for each in found.changes], found.older, found.newer

    assert await numbers() == ([6, 5], 5, None)
    assert await numbers(below=5) == ([4, 3], 3, 4)
    assert await numbers(below=3) == ([2], None, 2)
    assert await numbers(above=2) == ([4, 3], 3, 4)
    assert await numbers(above=4) == ([6, 5], 5, None)


async def test_a_page_takes_as_many_statements_for_many_keys(stage, app):
    counts = []
    for keys in (1, 20):
        await config_flow.change(stage.panel, app, {f"KEY{number}": str(keys) for number in range(keys)}, stage.admin)
        counting = Counting(stage.panel.database)
        await environment.read(replace(stage.panel, database=counting), app, stage.admin)
        counts.append(counting.count)
    assert counts[0] == counts[1]


async def test_a_whole_file_is_one_change_and_one_release(stage, app):
    await config_flow.change(stage.panel, app, {"KEY": "value", "OTHER": "stays"}, stage.admin)
    shown = await environment.preview(stage.panel, app, DOTENV)
    assert (shown.added, shown.changed, shown.same, shown.problems) == (["GREETING", "MULTI"], [], ["KEY"], ())
    assert await environment.paste(stage.panel, app, DOTENV, stage.admin)
    assert await version(stage, app) == 3
    assert stage.panel.scheduler.launched[-1].config_vars == {
        "GREETING": "hi there", "KEY": "value", "MULTI": "two\nlines", "OTHER": "stays",
    }  # fmt: skip
    assert changes(await read(stage, app))[0] == (3, ["GREETING", "MULTI"], [], [])
    assert (await environment.preview(stage.panel, app, "KEY=another")).changed == ["KEY"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("KEY=1\nsecret", "Line 2: this is not KEY=value"), ("# nothing", "sets no config var"), ("PORT=1", "Line 1: PORT is set by")],
)
async def test_a_file_that_cannot_be_read_changes_nothing(stage, app, text, said):
    with pytest.raises(Invalid, match=said) as raised:
        await environment.paste(stage.panel, app, text, stage.admin)
    assert "secret" not in str(raised.value)
    assert (await read(stage, app)).variables.total == 0


async def test_several_are_removed_as_one_change(stage, app):
    await config_flow.change(stage.panel, app, {"A": "1", "B": "1", "C": "1"}, stage.admin)
    await environment.remove(stage.panel, app, ["A", "B"], stage.admin)
    assert changes(await read(stage, app))[0] == (3, [], [], ["A", "B"])
    assert await version(stage, app) == 3
    with pytest.raises(NotFound, match="A"):
        await environment.remove(stage.panel, app, ["C", "A"], stage.admin)
    with pytest.raises(Invalid, match="No config var is chosen"):
        await environment.remove(stage.panel, app, [], stage.admin)


async def test_a_release_names_the_first_of_many_keys(stage, app):
    await config_flow.change(stage.panel, app, {f"KEY{number}": "1" for number in range(9)}, stage.admin)
    await stage.work()
    async with stage.panel.transaction() as conn:
        [release] = await releases.recent(conn, app.id, 1)
    assert release.description == "Set KEY0, KEY1, KEY2, KEY3, KEY4 and 4 more config vars"
