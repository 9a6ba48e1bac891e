"""Finding, creating and changing apps on pages, and pages that learn of changes."""

import asyncio
import html
import re

import pytest

from skypanel.domain.access import Role
from skypanel.domain.http_rules import OwnHttpRules
from skypanel.domain.manifest import Dyno, DynoState
from skypanel.flow import maintenance, organizations, sessions
from skypanel.flow import scale as scale_flow
from skypanel.store import apps, formation
from skypanel.store import organizations as organization_rows
from tests.fixtures.web import ORIGIN
from tests.integration.test_web_apps import live

# Open pages learn of a change within half a second.
WITHIN_S = 60


def listed(page):
    return re.findall(r'<td><a href="/apps/([a-z0-9-]+)"', page)


async def app_named(stage, name):
    async with stage.panel.transaction() as conn:
        return await apps.by_name(conn, name)


async def test_the_list_is_searched_filtered_and_sorted_with_failures_first(admin, stage):
    await live(stage, "beta")
    await live(stage, "crashing")
    await stage.app("alpha-new")
    crashing = await app_named(stage, "crashing")
    [key] = [key for key in stage.panel.scheduler.running if key.app_id == crashing.id]
    stage.panel.scheduler.running[key] = Dyno(key, DynoState.CRASHED, stage.panel.clock.now())
    assert listed(await admin.page("/apps")) == ["crashing", "alpha-new", "beta"]
    assert listed(await admin.page("/apps?sort=name")) == ["alpha-new", "beta", "crashing"]
    assert listed(await admin.page("/apps?sort=deployed")) == ["crashing", "beta", "alpha-new"]
    assert listed(await admin.page("/apps?q=ET")) == ["beta"]
    assert "1 app</p>" in await admin.page("/apps?q=ET")
    assert listed(await admin.page("/apps?state=crashed")) == ["crashing"]
    assert "No app matches" in await admin.page("/apps?q=nothing-like-it")
    assert listed(await admin.page("/apps?org=00000000-0000-0000-0000-000000000000")) == []
    # What is no choice is no filter.
    assert len(listed(await admin.page("/apps?state=odd&sort=odd&page=0"))) == 3


async def test_old_addresses_and_the_bare_address_lead_to_the_list(admin):
    response = await admin.get("/", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/apps")


async def test_an_app_is_created_in_the_chosen_organization_and_plan(admin, stage):
    other = await organizations.create(stage.panel, stage.admin, "Acme")
    page = await admin.page("/apps/new")
    assert "Pro: 2 CPU" in page
    sent = await admin.send("/apps/new", page="/apps/new", name="shiny", organization=str(other.id), plan="Pro")
    assert (sent.status, sent.headers["Location"]) == (303, "/apps/shiny")
    made = await app_named(stage, "shiny")
    assert (made.organization_id, made.plan.name) == (other.id, "Pro")
    shown = await admin.page("/apps/shiny")
    assert '<p class="message" role="status" data-keep>shiny is created. Push to it to deploy.</p>' in shown
    assert "git remote add skypanel ssh://git@localhost:2222/shiny.git" in shown
    # The message is shown once.
    assert "is created" not in await admin.page("/apps/shiny")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Bad Name"}, "not a valid app name"),
        ({"name": "new"}, "The name new is reserved."),
        ({"name": "hello"}, "The name hello is taken."),
        ({"name": "free", "plan": "Gold"}, "There is no plan"),
        ({"name": "free", "organization": "00000000-0000-0000-0000-000000000000"}, "not one of your organizations"),
    ],
)
async def test_what_cannot_be_created_is_said_and_what_was_typed_stays(admin, stage, fields, said):
    app = await stage.app("hello")
    response = await admin.send("/apps/new", page="/apps/new", **({"organization": str(app.organization_id)} | fields))
    text = html.unescape(await response.text())
    assert response.status == 422
    assert said in text
    assert f'value="{fields["name"]}"' in text


async def test_a_name_is_checked_as_one_types(admin, stage):
    await stage.app("hello")
    assert "hello is taken" in await admin.page("/apps/new/check?name=hello")
    assert await admin.page("/apps/new/check?name=shiny") == "shiny is free."
    assert "<" not in await admin.page("/apps/new/check?name=<script>")


async def test_settings_change_plan_health_buildpacks_and_name(admin, stage):
    await live(stage)
    here = "/apps/hello/settings"
    for fields in (
        {"do": "plan", "plan": "Pro"},
        {"do": "health", "path": "/up", "interval": "10"},
        {"do": "buildpacks", "buildpacks": "heroku/nodejs\nheroku/python"},
        {"do": "branch", "branch": "release"},
        {"do": "http", "first_byte_timeout": "30", "idle_timeout": "", "https_redirect": "yes"},
    ):
        sent = await admin.send(here, page=here, **fields)
        assert (sent.status, sent.headers["Location"]) == (303, here)
    app = await app_named(stage, "hello")
    assert (app.plan.name, app.health.path, app.health.interval_s, app.buildpacks) == ("Pro", "/up", 10, ("heroku/nodejs", "heroku/python"))
    assert app.deploy_branch == "release"
    assert app.http == OwnHttpRules(30, None, https_redirect=True)
    page = await admin.page(here)
    assert 'name="first_byte_timeout" value="30" placeholder="600"' in page
    assert 'name="idle_timeout" value="" placeholder="600"' in page
    assert '<option value="yes" selected>' in page
    assert "git push skypanel release" in await admin.page("/apps/hello")
    sent = await admin.send(here, page=here, do="rename", name="renamed")
    assert sent.headers["Location"] == "/apps/renamed/settings"
    assert "hello is called renamed now." in await admin.page("/apps/renamed/settings")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"do": "plan", "plan": "Hobby"}, "over the Hobby plan"),
        ({"do": "health", "path": "no slash", "interval": "10"}, "health"),
        ({"do": "health", "path": "/up", "interval": "soon"}, "not a number of seconds"),
        ({"do": "buildpacks", "buildpacks": "gold"}, "buildpack"),
        ({"do": "http", "idle_timeout": "soon"}, "not a number of seconds"),
        ({"do": "http", "first_byte_timeout": "86401"}, "A timeout cannot be 86401 s."),
        ({"do": "branch", "branch": "a..b"}, "not a valid branch name"),
        ({"do": "branch", "branch": "x;reboot"}, "cannot be the deploy branch"),
        ({"do": "rename", "name": "Bad Name"}, "not a valid app name"),
        ({"do": "transfer", "organization": "x"}, "not one of your organizations"),
        ({"do": "destroy", "confirm": "hell"}, "Nothing was destroyed."),
        ({"do": "odd"}, "This form is unknown."),
    ],
)
async def test_a_setting_that_cannot_be_is_refused_beside_its_form(admin, stage, fields, said):
    app = await live(stage)
    async with stage.panel.transaction() as conn:
        await formation.put(conn, app.id, "web", 2)
    response = await admin.send("/apps/hello/settings", page="/apps/hello/settings", **fields)
    assert response.status == 422
    assert said in html.unescape(await response.text())
    assert await app_named(stage, "hello") == app


async def test_an_app_is_destroyed_once_its_name_is_typed(admin, stage):
    await live(stage)
    page = await admin.page("/apps/hello/settings")
    assert "Type <strong>hello</strong> to confirm" in page
    sent = await admin.send("/apps/hello/settings", page="/apps/hello/settings", do="destroy", confirm="hello")
    assert (sent.status, sent.headers["Location"]) == (303, "/apps")
    assert "hello is destroyed." in await admin.page("/apps")
    assert await app_named(stage, "hello") is None


async def test_restart_and_maintenance_are_in_the_menu_of_who_may(admin, new_client, stage):
    app = await live(stage)
    sent = await admin.send("/apps/hello/restart", page="/apps/hello")
    assert "restarts without a failed request" in await admin.page(sent.headers["Location"])
    await admin.send("/apps/hello/maintenance", page="/apps/hello", on="yes")
    assert (await app_named(stage, "hello")).maintenance
    assert "Turn maintenance mode off" in await admin.page("/apps/hello")
    viewer = await stage.outsider()
    async with stage.panel.transaction() as conn:
        await organization_rows.add_member(conn, app.organization_id, viewer.id, Role.VIEWER)
    reader = await new_client()
    await reader.sign_in(viewer)
    assert "Restart all dynos" not in await reader.page("/apps/hello")


async def test_turning_off_web_asks_first(admin, stage):
    await live(stage)
    page = await admin.page("/apps/hello")
    dialog = page.partition('<dialog popover id="turn-off-web"')[2].partition("</dialog>")[0]
    assert "1 web dyno of hello stops." in dialog
    assert 'name="quantity" value="0"' in dialog


async def test_a_failed_deploy_is_shown_first_with_its_log(admin, stage):
    app = await live(stage)
    stage.panel.builder.answer("compile", code=1)
    build = await stage.push(app)
    await stage.work()
    page = await admin.page("/apps/hello")
    failure = page.partition('class="complaint failure"')[2].partition("</section>")[0]
    assert "The last build failed" in failure
    assert f"/deploys/{build.id}" in failure
    assert "The previous release is still live." in failure
    for tab in ("", "/deploys", "/settings"):
        page = await admin.page(f"/apps/hello{tab}")
        assert "<title>! " in page
        assert "icon-bad.svg" in page
    stage.panel.builder.answer("compile")
    await stage.push(app)
    await stage.work()
    assert "<title>Overview" in await admin.page("/apps/hello")


async def test_a_message_of_another_session_is_not_shown(admin, new_client, stage):
    await admin.send("/apps/new", page="/apps/new", name="shiny", organization=str((await stage.app("hello")).organization_id))
    [cookie] = [each for each in admin.session.cookie_jar if each.key == "skypanel-message"]
    stranger = await stage.outsider()
    reader = await new_client()
    await reader.sign_in(stranger)
    page = await reader.get("/apps", headers={"Cookie": f"skypanel-message={cookie.value}"})
    assert "is created" not in await page.text()


class Stream:
    """A page's event stream."""

    def __init__(self, response):
        self._response = response

    async def event(self):
        """Return the next event's data, without comments."""
        lines = []
        while True:
            line = (await self._response.content.readline()).decode().rstrip("\n")
            if line:
                lines.append(line)
            elif any(part.startswith("event:") for part in lines):
                return lines
            else:
                lines = []

    async def rest(self):
        """Return what comes until the stream ends."""
        return await self._response.content.read()


async def opened(client, page):
    found = re.search(r'data-events="([^"]+)"', page)
    return Stream(await client.get(found[1], headers={"Origin": ORIGIN}))


async def test_an_apps_page_learns_of_each_change_and_the_list_of_new_apps(admin, stage):
    app = await live(stage)
    stream = await opened(admin, await admin.page("/apps/hello"))
    everything = await opened(admin, await admin.page("/apps"))
    await maintenance.switch(stage.panel, app, stage.admin, on=True)
    for each in (stream, everything):
        assert (await each.event())[1] == "event: changed"
    await scale_flow.restart(stage.panel, app, stage.admin)
    assert "event: changed" in await stream.event()
    # The list learns of the new dynos.
    await stage.work()
    assert "event: changed" in await everything.event()
    await stage.app("another")
    assert "event: changed" in await everything.event()


async def test_a_page_that_was_rendered_before_a_change_learns_of_it_at_once(admin, stage):
    app = await live(stage)
    page = await admin.page("/apps/hello")
    await maintenance.switch(stage.panel, app, stage.admin, on=True)
    stream = await opened(admin, page)
    first = await stream.event()
    # After the event a browser asks with its id, and nothing is new.
    again = await admin.get("/apps/hello/changes?seen=old", headers={"Last-Event-ID": first[0].removeprefix("id: ")})
    assert (await again.content.readline()) == b"retry: 1000\n"
    await again.content.readline()
    assert (await again.content.readline()) == b":\n"


async def test_a_stranger_learns_nothing_of_an_app(new_client, stage):
    await live(stage)
    stranger = await new_client()
    await stranger.sign_in(await stage.outsider())
    assert (await stranger.get("/apps/hello/changes")).status == 404


async def test_a_new_app_is_watched_by_a_list_that_was_open_before(admin, stage):
    await live(stage)
    everything = await opened(admin, await admin.page("/apps"))
    another = await live(stage, "another")
    await everything.event()
    await maintenance.switch(stage.panel, another, stage.admin, on=True)
    assert "event: changed" in await everything.event()


async def watching_all(client, stage, app):
    """Return the event streams of the list and of the app's page, and that of a deploy's log, all of which have begun."""
    build = await stage.push(app)
    everything, stream = [await opened(client, await client.page(path)) for path in ("/apps", "/apps/hello")]
    log = await client.get(f"/apps/hello/deploys/{build.id}/events")
    await maintenance.switch(stage.panel, app, stage.admin, on=True)
    for each in (everything, stream):
        assert "event: changed" in await each.event()
    return everything, stream, log


async def test_streams_end_at_once_when_the_session_ends(admin, stage):
    everything, stream, log = await watching_all(admin, stage, await live(stage))
    await sessions.end_others(stage.panel, stage.admin, "another session")
    async with asyncio.timeout(WITHIN_S):
        for each in (everything, stream):
            assert (await each.event(), await each.rest()) == (["event: over", "data: over"], b"")
        await log.content.read()


async def test_streams_end_at_once_when_the_role_is_taken_away(client, stage, main):
    app, viewer = await live(stage), await stage.member(Role.VIEWER)
    await client.sign_in(viewer)
    everything, stream, log = await watching_all(client, stage, app)
    async with asyncio.timeout(WITHIN_S):
        await organizations.change_role(stage.panel, main, viewer.email, Role.DEVELOPER, stage.admin)
        for each in (everything, stream):
            assert "event: changed" in await each.event()
        await organizations.remove_member(stage.panel, main, viewer.email, stage.admin)
        assert (await stream.event(), await stream.rest()) == (["event: over", "data: over"], b"")
        await log.content.read()
        # The list stays, without the app.
        assert "event: changed" in await everything.event()
    assert listed(await client.page("/apps")) == []


async def test_a_refresh_after_the_session_ended_leads_to_the_sign_in_page_and_back(client, stage):
    response = await client.get("/apps/hello", headers={"HX-Request": "true"}, allow_redirects=False)
    assert (response.status, response.headers["HX-Redirect"]) == (204, "/login?next=/apps/hello")
