"""The list of apps and an app's page: what they show, to whom, and at what cost."""

import html
import re
from dataclasses import replace

import pytest
from sqlalchemy import text

from skypanel.domain.access import Role
from skypanel.domain.manifest import Dyno, DynoState
from skypanel.domain.release import ReleaseState
from skypanel.flow import config as config_flow
from skypanel.flow import organizations, transfer, upload
from skypanel.store import apps, formation, releases
from tests.fixtures.web import ORIGIN
from tests.support import factories
from tests.support.crowd import crowd


async def live(stage, name="hello", pushes=1):
    """Return an app that serves the release of its last push."""
    app = await stage.app(name)
    for _ in range(pushes):
        await stage.push(app)
        await stage.work()
    async with stage.panel.transaction() as conn:
        return await apps.get(conn, app.id)


async def test_the_list_shows_release_state_url_and_dynos(admin, stage):
    app = await stage.app("hello")
    page = await admin.page("/apps")
    assert "No release yet" in page
    assert 'class="state new"' in page
    await stage.push(app)
    assert 'class="state deploying">deploying' in await admin.page("/apps")
    await stage.work()
    page = await admin.page("/apps")
    assert "<strong>v1</strong> · Deploy cccccccc" in page
    assert 'class="state up">up' in page
    assert 'href="http://hello.localhost:8080/"' in page
    assert 'class="state up">web.1' in page
    [key] = stage.panel.scheduler.running
    stage.panel.scheduler.running[key] = Dyno(key, DynoState.CRASHED, stage.panel.clock.now(), reason="exited with status 1")
    assert 'class="state crashed">crashed' in await admin.page("/apps")
    assert "exited with status 1" in await admin.page("/apps/hello")
    stage.panel.scheduler.running.clear()
    assert 'class="state stopped">stopped' in await admin.page("/apps")


async def test_an_app_whose_first_deploy_failed_says_so_until_one_goes_live(admin, stage):
    app = await stage.app("hello")
    stage.panel.builder.answer("bin/compile", code=1)
    await stage.push(app)
    await stage.work()
    page = await admin.page("/apps")
    assert 'class="state failed">failed' in page
    assert "No release yet: its deploy failed" in page
    assert "icon-bad" in page
    page = await admin.page("/apps/hello")
    assert 'class="state failed">failed' in page.partition("</h1>")[0]
    assert 'value="redeploy"' in page
    # Config vars make a release of nothing, which changes nothing about that.
    await config_flow.change(stage.panel, app, {"KEY": "value"}, stage.admin)
    await stage.work()
    assert 'class="state failed">failed' in await admin.page("/apps?state=failed")
    stage.panel.builder.answer("bin/compile")
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: crash\n")
    await stage.push(app, "second")
    await stage.work()
    assert 'class="state failed">failed' in await admin.page("/apps")
    stage.panel.builder.answer("cat", "/app/Procfile", out=b"web: python app.py\n")
    await stage.push(app, "third")
    await stage.work()
    assert 'class="state up">up' in await admin.page("/apps")


async def test_a_first_deploy_that_was_cancelled_is_no_failure(admin, stage):
    app = await stage.app("hello")
    build = await stage.push(app)
    await upload.cancel(stage.panel, app, build.id, stage.admin)
    assert 'class="state new">new' in await admin.page("/apps")


async def test_an_account_without_apps_is_told_how_to_push_one(admin):
    assert "git remote add skypanel ssh://git@localhost:2222/hello.git" in await admin.page("/apps")


async def test_an_apps_page_warns_of_config_vars_that_change_how_dynos_start(admin, stage):
    app = await live(stage)
    await config_flow.change(stage.panel, app, {"LD_PRELOAD": "x.so", "GREETING": "hi"}, stage.admin)
    page = await admin.page("/apps/hello")
    assert page.count("If dynos no longer start, unset it.") == 1
    assert "LD_PRELOAD changes how every program in a dyno is loaded" in page


@pytest.mark.req("R14.4")
async def test_an_apps_page_shows_its_active_release_processes_and_history(admin, stage):
    app = await live(stage, pushes=2)
    await config_flow.change(stage.panel, app, {"SECRET_KEY": "the value", "GREETING": "another"}, stage.admin)
    page = await admin.page("/apps/hello")
    assert '<p class="version">v2</p>' in page
    assert "web</strong> <span" in page
    assert "<code>serve</code>" in page
    assert "&times; 1" in page
    assert "<code>toil</code>" in page
    assert "&times; 0" in page
    assert 'class="state up">web.1' in page
    assert stage.admin.email in page
    assert "<code>GREETING</code>" in page
    assert "SECRET_KEY" in page
    assert "the value" not in page
    assert "another" not in page
    assert 'class="state active">active' in page
    assert "Roll back to v1" in page
    assert "Roll back to v2" not in page
    # v3 is on its way, so it cannot be returned to, and its log is there.
    assert "Roll back to v3" not in page
    assert "Deploying v3" in page


async def test_an_apps_page_and_the_list_say_what_crashed_and_what_it_said_last(admin, stage):
    app = await live(stage)
    (key,) = stage.panel.scheduler.running
    stage.panel.scheduler.running[key] = replace(stage.panel.scheduler.running[key], state=DynoState.CRASHED, reason="exited with status 1")
    stage.panel.scheduler.printed[key] = ["KeyError: <b>SECRET_KEY</b>"]
    page = await admin.page(f"/apps/{app.name}")
    assert 'class="state crashed">web.1' in page
    assert "exited with status 1" in page
    assert "KeyError: &lt;b&gt;SECRET_KEY&lt;/b&gt;" in page
    assert 'class="state crashed">web.1' in await admin.page("/apps")


async def test_an_app_that_was_never_pushed_to_has_a_page(admin, stage):
    await stage.app("hello")
    page = await admin.page("/apps/hello")
    assert "git remote add skypanel ssh://git@localhost:2222/hello.git" in page
    assert "None are set." in page


@pytest.mark.req("R14.2")
async def test_rolling_back_by_the_button(admin, stage):
    app = await live(stage, pushes=2)
    response = await admin.send("/apps/hello/rollback", page="/apps/hello", version="1")
    assert (response.status, response.headers["Location"]) == (303, "/apps/hello")
    assert "Rollback to v1" in await admin.page("/apps/hello")
    await stage.work()
    assert '<p class="version">v3</p>' in await admin.page("/apps/hello")
    async with stage.panel.transaction() as conn:
        released, first = [await releases.by_version(conn, app.id, version) for version in (3, 1)]
    assert released.slug_id == first.slug_id
    assert released.account_id == stage.admin.id


@pytest.mark.parametrize(("version", "status"), [("9", 404), ("", 422), ("-1", 422), ("1.0", 422), ("٣", 422), ("99999999999", 422)])
async def test_what_is_no_release_cannot_be_returned_to(admin, stage, version, status):
    await live(stage)
    assert (await admin.send("/apps/hello/rollback", page="/apps/hello", version=version)).status == status


async def test_a_viewer_sees_no_buttons_and_may_not_press_them(client, stage):
    await live(stage, pushes=2)
    await client.sign_in(await stage.member(Role.VIEWER))
    page = await client.page("/apps/hello")
    assert '<p class="version">v2</p>' in page
    assert "Roll back to" not in page
    response = await client.send("/apps/hello/rollback", page="/apps", version="1")
    assert response.status == 403
    await stage.work()
    assert '<p class="version">v2</p>' in await client.page("/apps/hello")


async def test_a_developer_may_roll_back(client, stage):
    await live(stage, pushes=2)
    await client.sign_in(await stage.member(Role.DEVELOPER))
    assert (await client.send("/apps/hello/rollback", page="/apps/hello", version="1")).status == 303


@pytest.mark.req("R15.1")
async def test_a_slider_goes_from_one_dyno_to_what_the_plan_allows(admin, stage):
    app = await live(stage)
    async with stage.panel.transaction() as conn:
        await conn.execute(text("UPDATE paas_plan_versions SET max_replicas = 7 WHERE id = :id").bindparams(id=app.plan.id))
    page = await admin.page("/apps/hello")
    assert 'aria-label="Number of web dynos" min="1" max="7" value="1"' in page
    # None of it runs: the slider begins at one, and there is nothing to turn off.
    assert 'aria-label="Number of worker dynos" min="1" max="7" value="1"' in page
    assert "Turn off worker" not in page
    assert 'data-price="0.0200"' in page
    assert "Number of release dynos" not in page
    sent = await admin.send("/apps/hello/scale", page="/apps/hello", type="web", quantity="7")
    assert (sent.status, sent.headers["Location"]) == (303, "/apps/hello")
    page = await admin.page("/apps/hello")
    assert "&times; 7" in page
    assert 'aria-label="Number of web dynos" min="1" max="7" value="7"' in page
    await stage.work()
    assert sorted(dyno.key.name for dyno in await stage.panel.scheduler.dynos(app.id)) == [f"web.{number}" for number in range(1, 8)]


async def test_a_process_type_is_turned_off(admin, stage):
    app = await live(stage)
    assert "Turn off web" in await admin.page("/apps/hello")
    assert (await admin.send("/apps/hello/scale", page="/apps/hello", type="web", quantity="0")).status == 303
    await stage.work()
    assert not await stage.panel.scheduler.dynos(app.id)
    assert "Turn off web" not in await admin.page("/apps/hello")


async def test_an_offered_app_is_accepted_or_declined_on_the_list(admin, new_client, stage):
    app, outsider = await live(stage), await stage.outsider()
    await organizations.create(stage.panel, outsider, "Lovelace")
    client = await new_client()
    await client.sign_in(outsider)
    assert "is offered to you" not in await client.page("/apps")

    async def offered():
        made = await transfer.offer(stage.panel, app, outsider, stage.admin)
        assert f"<strong>hello</strong> is offered to you by {stage.admin.email}" in await client.page("/apps")
        assert "is offered to you" not in await admin.page("/apps")
        return str(made.id)

    sent = await client.send("/transfers", page="/apps", id=await offered(), answer="declined")
    assert (sent.status, sent.headers["Location"]) == (303, "/apps")
    assert "is offered to you" not in await client.page("/apps")
    made = await offered()
    assert (await admin.send("/transfers", page="/apps", id=made, answer="accepted")).status == 404
    assert (await client.send("/transfers", page="/apps", id=made, answer="")).status == 422
    sent = await client.send("/transfers", page="/apps", id=made, answer="accepted")
    assert (sent.status, sent.headers["Location"]) == (303, "/apps/hello")
    assert "hello" in await client.page("/apps/hello")
    await admin.page("/apps/hello", status=404)
    for id_ in (made, "", "x"):
        assert (await client.send("/transfers", page="/apps", id=id_, answer="accepted")).status == 404


FORGED = [
    *[("web", quantity, 422) for quantity in ("11", "999999999", "9999999999", "-1", "1.5", "", "three", "٣")],
    *[(process_type, "2", 404) for process_type in ("release", "run", "nothing", "", "web ")],
]


@pytest.mark.req("R15.5")
@pytest.mark.parametrize(("process_type", "quantity", "status"), FORGED)
async def test_what_no_slider_sends_changes_nothing(admin, stage, process_type, quantity, status):
    app = await live(stage)
    sent = await admin.send("/apps/hello/scale", page="/apps/hello", type=process_type, quantity=quantity)
    assert sent.status == status
    async with stage.panel.transaction() as conn:
        assert await formation.get(conn, app.id) == {"web": 1, "worker": 0}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
async def test_who_may_scale_has_sliders(client, stage, role):
    await live(stage)
    await client.sign_in(await stage.member(role))
    may = role >= Role.DEVELOPER
    page = await client.page("/apps/hello")
    assert ("Number of web dynos" in page, "Turn off web" in page, "scale.js" in page) == (may, may, may)
    sent = await client.send("/apps/hello/scale", page="/apps", type="web", quantity="2")
    assert sent.status == (303 if may else 403)


PATHS = [
    *("", "/environment", "/deploys", "/deploys/{build}", "/deploys/{build}/events", "/deploys/{build}/log"),
    *("/builds/{build}", "/builds/{build}/events", "/builds/{build}/log", "/releases/1", "/releases/1/events", "/releases/1/log"),
]


@pytest.mark.parametrize("path", PATHS)
async def test_an_outsider_gets_the_answer_for_an_app_that_is_not_there(client, stage, path):
    app = await stage.app("secret")
    build = await stage.push(app)
    await stage.work()
    await client.sign_in(await stage.outsider())
    assert "secret" not in await client.page("/apps")

    async def answer(name):
        response = await client.get(f"/apps/{name}{path}".format(build=build.id))
        text = (await response.text()).replace(name, "").replace(response.headers["Request-Id"], "")
        return response.status, text

    assert await answer("secret") == await answer("absent")
    assert (await answer("secret"))[0] == 404
    for form in ("rollback", "scale"):
        refused = [await client.send(f"/apps/{name}/{form}", page="/apps", version="1") for name in ("secret", "absent")]
        assert [response.status for response in refused] == [404, 404]


async def test_a_build_is_found_at_its_own_app_only(admin, stage):
    build = await stage.push(await stage.app("one"))
    await stage.app("two")
    for path, status in (("deploys", 200), ("builds", 308)):
        await admin.page(f"/apps/one/{path}/{build.id}", status=status)
        await admin.page(f"/apps/two/{path}/{build.id}", status=404)


async def test_nothing_an_app_says_of_itself_is_markup(admin, stage):
    app = await live(stage)
    script = "<script>alert(1)</script>"
    stage.panel.builder.answer("cat", "/app/Procfile", out=f"web: echo '{script}'\n".encode())
    build = await stage.push(app)
    await stage.work()
    async with stage.panel.transaction() as conn:
        await conn.execute(text("UPDATE paas_releases SET description = :it, error = :it").bindparams(it=script))
        await conn.execute(text("UPDATE paas_builds SET source_commit = :it, error = :it").bindparams(it=script))
    for key, dyno in stage.panel.scheduler.running.items():
        stage.panel.scheduler.running[key] = replace(dyno, reason=script)
    for path in ("/apps", "/apps/hello", "/apps/hello/deploys", f"/apps/hello/deploys/{build.id}"):
        page = await admin.page(path)
        assert "alert(1)" in page
        assert "<script>" not in page.replace('<script src="/static/live.js" defer>', "")


async def test_lists_are_paged_to_their_ends(admin, stage):
    await live(stage)
    async with stage.panel.transaction() as conn:
        await crowd(conn, "hello")
    names, path = [], "/apps"
    while path:
        page = await admin.page(path)
        names += [part.partition('"')[0] for part in page.split('<td><a href="/apps/')[1:]]
        further = re.search(r'<a href="([^"]+)" rel="next"', page)
        path = further and html.unescape(further[1])
    assert names == [*(f"app-{number:04}" for number in range(1, 1000)), "hello"]
    versions, path = [], "/apps/hello"
    while path:
        page = await admin.page(path)
        versions += [int(part.partition('"')[0]) for part in page.split("/releases/")[1:]]
        path = page.partition('href="?before=')[2].partition("#")[0]
        path = path and f"/apps/hello?before={path}"
    assert versions == list(range(1009, 0, -1))


@pytest.mark.parametrize("state", [ReleaseState.FAILED, ReleaseState.SUPERSEDED, ReleaseState.PENDING])
async def test_only_a_release_that_went_live_has_a_button(admin, stage, state):
    app = await live(stage)
    async with stage.panel.transaction() as conn:
        await factories.release(conn, app, state=state)
    assert "Roll back to v2" not in await admin.page("/apps/hello")
    headers = {"Origin": ORIGIN}
    data = {"form_token": await admin.form_token("/apps"), "version": "2"}
    assert (await admin.post("/apps/hello/rollback", data=data, headers=headers)).status == 409
