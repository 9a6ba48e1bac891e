"""Config vars, scaling, rollback and who may do them, on a real database."""

import pytest

from skypanel.domain.access import Action, Role
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound
from skypanel.domain.health import HealthCheck
from skypanel.flow import apps as apps_flow
from skypanel.flow import config as config_flow
from skypanel.flow import health as health_flow
from skypanel.flow import release as release_flow
from skypanel.flow import scale as scale_flow
from skypanel.flow.secrets import reencrypt
from skypanel.flow.setup import initialize
from skypanel.store import apps, audit, config_vars, formation, releases


async def serving(stage, app):
    async with stage.panel.transaction() as conn:
        return await releases.get(conn, (await apps.get(conn, app.id)).current_release_id)


@pytest.mark.req("R12.3")
async def test_setting_a_config_var_releases_the_running_app_anew(stage, app):
    assert await config_flow.change(stage.panel, app, {"KEY": "value", "OTHER": "x"}, stage.admin)
    await stage.work()
    release = await serving(stage, app)
    assert release.version == 2
    assert release.description == "Set KEY, OTHER config vars"
    assert stage.panel.scheduler.launched[-1].config_vars == {"KEY": "value", "OTHER": "x"}


async def test_setting_what_is_set_already_changes_nothing(stage, app):
    await config_flow.change(stage.panel, app, {"KEY": "value"}, stage.admin)
    assert await config_flow.change(stage.panel, app, {"KEY": "value"}, stage.admin) is None


async def test_config_vars_before_the_first_push_apply_to_it(stage):
    app = await stage.app("early")
    assert await config_flow.change(stage.panel, app, {"KEY": "value"}, stage.admin) is None
    await stage.push(app)
    await stage.work()
    assert (await serving(stage, app)).version == 1
    assert stage.panel.scheduler.launched[-1].config_vars == {"KEY": "value"}


@pytest.mark.req("R12.5")
@pytest.mark.parametrize("key", ["lower", "WITH-DASH", "", "A B", "É", "PORT", "DYNO", "PS"])
async def test_a_bad_key_changes_nothing(stage, app, key):
    with pytest.raises(Invalid):
        await config_flow.change(stage.panel, app, {"GOOD": "x", key: "y"}, stage.admin)
    async with stage.panel.transaction() as conn:
        assert not (await config_vars.head(conn, app.id)).secrets


async def test_unsetting_what_is_not_there_changes_nothing(stage, app):
    with pytest.raises(NotFound, match="MISSING"):
        await config_flow.change(stage.panel, app, {"GOOD": "x", "MISSING": None}, stage.admin)
    assert (await serving(stage, app)).version == 1


@pytest.mark.req("R14.2")
@pytest.mark.req("R14.3")
@pytest.mark.req("R14.4")
async def test_a_rollback_takes_the_old_slug_and_todays_config_vars(stage, app):
    first = await serving(stage, app)
    await stage.push(app, "second")
    await stage.work()
    await config_flow.change(stage.panel, app, {"KEY": "today"}, stage.admin)
    await stage.work()
    await release_flow.roll_back(stage.panel, app, 1, stage.admin)
    await stage.work()
    release = await serving(stage, app)
    assert (release.version, release.slug_id) == (4, first.slug_id)
    assert release.description == "Rollback to v1"
    assert stage.panel.scheduler.launched[-1].config_vars == {"KEY": "today"}


@pytest.mark.req("R14.1")
async def test_every_release_keeps_its_slug(stage, app):
    for text in ("second", "third"):
        stage.panel.builder.answer("tar -c", out=text.encode())
        await stage.push(app, text)
        await stage.work()
    async with stage.panel.transaction() as conn:
        kept = await releases.recent(conn, app.id, 10)
    assert [release.version for release in kept] == [3, 2, 1]
    assert len({release.slug_id for release in kept}) == 3
    assert len([key for key in stage.panel.objects.stored if key[0] == "slugs"]) == 3


async def test_a_rollback_to_what_never_ran_is_refused(stage, app):
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: crash\n")
    await stage.push(app, "second")
    await stage.work()
    with pytest.raises(Conflict, match="v2 never went live"):
        await release_flow.roll_back(stage.panel, app, 2, stage.admin)
    with pytest.raises(NotFound, match="v1 to v2"):
        await release_flow.roll_back(stage.panel, app, 9, stage.admin)
    with pytest.raises(Conflict, match="no release before v1"):
        await release_flow.roll_back(stage.panel, app, None, stage.admin)


@pytest.mark.req("R15.2")
async def test_scaling_changes_what_runs_at_once(stage, app):
    await scale_flow.scale(stage.panel, app, {"web": 3, "worker": 2}, stage.admin)
    await stage.work()
    names = sorted(dyno.key.name for dyno in await stage.panel.scheduler.dynos(app.id))
    assert names == ["web.1", "web.2", "web.3", "worker.1", "worker.2"]
    assert len(stage.panel.router.routes[app.id].endpoints) == 3
    await scale_flow.scale(stage.panel, app, {"web": 0}, stage.admin)
    await stage.work()
    assert app.id not in stage.panel.router.routes


@pytest.mark.req("R15.5")
async def test_scaling_past_the_plan_changes_nothing(stage, app):
    with pytest.raises(Invalid, match="at most 10"):
        await scale_flow.scale(stage.panel, app, {"worker": 2, "web": 11}, stage.admin)
    async with stage.panel.transaction() as conn:
        assert await formation.get(conn, app.id) == {"web": 1, "worker": 0}


async def test_a_restart_replaces_every_dyno_of_the_same_release(stage, app):
    before = {dyno.key for dyno in await stage.panel.scheduler.dynos(app.id)}
    await scale_flow.restart(stage.panel, app, stage.admin)
    await stage.work()
    after = {dyno.key for dyno in await stage.panel.scheduler.dynos(app.id)}
    assert not before & after
    assert {key.name for key in before} == {key.name for key in after}
    assert (await serving(stage, app)).version == 1


async def test_stopping_a_dyno_is_recorded_and_one_that_is_not_there_is_said(stage, app):
    assert await scale_flow.stop(stage.panel, app, "web.1", stage.admin) == ["web.1"]
    for name in ("web.2", "worker", "", "web.1\n", "../web"):
        with pytest.raises(NotFound, match="runs no dyno"):
            await scale_flow.stop(stage.panel, app, name, stage.admin)
    async with stage.panel.transaction() as conn:
        assert [row.details for row in await audit.recent(conn, 20) if row.action == "dyno.stop"] == [{"dynos": ["web.1"]}]


async def test_who_is_no_member_cannot_tell_a_foreign_app_from_none(stage, app):
    outsider = await stage.outsider()
    errors = []
    for name in ("hello", "nowhere"):
        with pytest.raises(NotFound) as caught:
            await apps_flow.access(stage.panel, outsider, name, Action.VIEW_APP)
        errors.append(str(caught.value).replace(name, "NAME"))
    assert errors[0] == errors[1]


async def test_roles_bound_what_members_do(stage, app):
    viewer, developer = await stage.member(Role.VIEWER), await stage.member(Role.DEVELOPER)
    assert await apps_flow.access(stage.panel, viewer, "hello", Action.FETCH)
    with pytest.raises(Denied):
        await apps_flow.access(stage.panel, viewer, "hello", Action.PUSH)
    with pytest.raises(Denied):
        await apps_flow.create(stage.panel, viewer, "mine")
    with pytest.raises(Denied):
        await apps_flow.access(stage.panel, developer, "hello", Action.DESTROY_APP)


@pytest.mark.req("R6.1")
async def test_an_apps_name_is_unique_across_organizations(stage, app):
    with pytest.raises(Conflict, match="taken"):
        await stage.app("hello")


async def test_every_change_is_in_the_audit_log_without_values(stage, app):
    await config_flow.change(stage.panel, app, {"KEY": "canary"}, stage.admin)
    await scale_flow.scale(stage.panel, app, {"web": 2}, stage.admin)
    async with stage.panel.transaction() as conn:
        rows = await audit.recent(conn, 20)
    assert {"app.create", "config.change", "app.scale"} <= {row.action for row in rows}
    assert "canary" not in repr(rows)


async def test_the_first_run_happens_once(stage):
    again = await initialize(stage.panel, ())
    assert again.admin == stage.admin
    assert again.token is None


@pytest.mark.req("R4.5")
async def test_every_secret_comes_under_the_newest_key(stage, app):
    await config_flow.change(stage.panel, app, {"KEY": "value"}, stage.admin)
    stage.panel.cipher.keys.insert(0, 2)
    assert await reencrypt(stage.panel) == 1
    async with stage.panel.transaction() as conn:
        assert (await config_vars.head(conn, app.id)).secrets == {"KEY": stage.panel.cipher.encrypt("value")}


async def test_changing_the_health_check_replaces_every_dyno(stage, app):
    before = {dyno.key for dyno in await stage.panel.scheduler.dynos(app.id)}
    assert await health_flow.change(stage.panel, app, stage.admin, path="/ping", interval_s=5)
    await stage.work()
    assert stage.panel.scheduler.launched[-1].health == HealthCheck("/ping", 5)
    assert not before & {dyno.key for dyno in await stage.panel.scheduler.dynos(app.id)}
    assert await health_flow.change(stage.panel, app, stage.admin, interval_s=5) is None
    with pytest.raises(Invalid):
        await health_flow.change(stage.panel, app, stage.admin, path="no path")


async def test_a_health_check_before_the_first_push_applies_to_it(stage):
    early = await stage.app("early")
    assert await health_flow.change(stage.panel, early, stage.admin, interval_s=7) is None
    await stage.push(early)
    await stage.work()
    assert stage.panel.scheduler.launched[-1].health == HealthCheck("/health", 7)


async def test_what_each_web_dyno_checks_is_what_it_said_last(stage, app):
    assert await health_flow.chosen(stage.panel, app) == {}
    for dyno, text in (
        ("web.1", "[skypanel] Checks the health at /health every 30 s"),
        ("web.2", "[skypanel] Checks the health at port 5000 every 30 s: /health is not there"),
        ("web.1", "Checks the health at nothing: an app's own words"),
        ("web.1", "[skypanel] Checks the health at /ping every 5 s"),
    ):
        stage.panel.logs.add(app, dyno, text)
    assert await health_flow.chosen(stage.panel, app) == {
        "web.1": "Checks the health at /ping every 5 s",
        "web.2": "Checks the health at port 5000 every 30 s: /health is not there",
    }
