"""The history of an app's deploys, and the page of one."""

import html
import re
from dataclasses import replace

import pytest

from skypanel.domain.access import Role
from skypanel.domain.commit import Note
from skypanel.flow import build as build_flow
from skypanel.flow import config as config_flow
from skypanel.store import builds, releases
from tests.support import factories
from tests.support.deploys import current
from tests.support.panels import silent

HOSTILE = "<script>alert(1)</script> & more"


async def pushed(stage, app, subject="Add a door", *, work=True):
    source = replace(factories.source(subject), branch="main", note=Note(subject, "Ada <3"))
    stage.panel.objects.stored["sources", source.digest] = b"a tree"
    build = await build_flow.request(stage.panel, app, stage.admin.id, source, silent)
    if work:
        await stage.work()
    return build


async def act(client, build, do):
    url = f"/apps/hello/deploys/{build.id}"
    return await client.send(url, page=url, do=do)


async def test_the_history_shows_subjects_first_and_escapes_them(admin, stage, app):
    build = await pushed(stage, app, HOSTILE)
    page = await admin.page("/apps/hello/deploys")
    assert f'<a href="/apps/hello/deploys/{build.id}">{html.escape(HOSTILE)}</a>' in page
    assert "<script>alert" not in page
    assert "<code>cccccccc</code> on main by Ada &lt;3" in page
    assert page.index("v2") < page.index("v1")
    assert page.count('class="state live"') == page.count('class="state replaced"') == 1


async def test_the_history_has_pages(admin, stage, app, monkeypatch):
    monkeypatch.setattr("web.pages.deploys.DEPLOYS", 2)
    for number in range(3):
        await config_flow.change(stage.panel, app, {"KEY": str(number)}, stage.admin)
        await stage.work()
    first = await admin.page("/apps/hello/deploys")
    assert 'rel="prev"' not in first
    older = await admin.page("/apps/hello/deploys" + re.search(r'href="(\?older=[^"]+)" rel="next"', first)[1])
    assert re.findall(r">v(\d)<", older) == ["2", "1"]
    assert 'rel="next"' not in older
    assert re.findall(r">v(\d)<", await admin.page("/apps/hello/deploys" + re.search(r'href="(\?newer=[^"]+)" rel="prev"', older)[1])) == [
        "4",
        "3",
    ]
    assert "No deploys yet" in await admin.page("/apps/hello/deploys?older=00000000-0000-0000-0000-000000000000")
    assert "This is not a deploy." in await admin.page("/apps/hello/deploys?older=nonsense", 422)


async def test_an_app_without_deploys_says_how_to_make_one(admin, stage):
    await stage.app("empty")
    assert "git push skypanel main" in await admin.page("/apps/empty/deploys")


async def test_a_deploy_shows_its_phases_log_and_what_it_changed(admin, stage, app):
    await config_flow.change(stage.panel, app, {"NEW_KEY": "canary"}, stage.admin)
    await stage.work()
    build = await pushed(stage, app, HOSTILE)
    page = await admin.page(f"/apps/hello/deploys/{build.id}")
    assert f"<h2>{html.escape(HOSTILE)}" in page
    assert "<script>alert" not in page
    for phase in ("Waiting to build", "Build", "Waiting to launch", "Launch"):
        assert f"<td>{phase}</td>" in page
    assert '<div id="L1" class="heading"><a href="#L1" data-line="1"' in page
    assert "Compared with v2" in page
    [entry, *_] = (await builds_of(stage, app))[-1:]
    first = await admin.page(f"/apps/hello/deploys/{entry.id}")
    assert "Compared with" not in first
    release = await current(stage, app)
    assert f'/apps/hello/deploys/{build.id}"' in await admin.page("/apps/hello/deploys")
    assert release.version == 3
    rollback = first.partition('id="rollback"')[2]
    assert "<code>NEW_KEY</code>" in rollback
    assert "canary" not in first + page


async def builds_of(stage, app):
    async with stage.panel.transaction() as conn:
        return await builds.recent(conn, app.id, 10)


async def test_a_failed_deploy_shows_the_line_that_matters_and_is_tried_again(admin, stage, app):
    stage.panel.builder.answer("bin/compile", code=1, out=b"Collecting x\n\x1b[31mERROR: No <b>x</b> found\x1b[0m\n")
    build = await pushed(stage, app)
    url = f"/apps/hello/deploys/{build.id}"
    page = await admin.page(url)
    number, text = re.search(r'<a href="#L(\d+)">Line \d+</a> <code>(.*?)</code>', page).groups()
    assert text == "ERROR: No &lt;b&gt;x&lt;/b&gt; found"
    assert f'<div id="L{number}" class=" first-error">' in page
    response = await act(admin, build, "redeploy")
    assert response.status == 303
    again = response.headers["Location"]
    assert again != url
    assert "The build begins again." in await admin.page(again)


async def test_a_deploy_is_cancelled(admin, stage, app):
    build = await pushed(stage, app, work=False)
    assert (await act(admin, build, "cancel")).headers["Location"] == f"/apps/hello/deploys/{build.id}"
    page = await admin.page(f"/apps/hello/deploys/{build.id}")
    assert 'class="state cancelled"' in page
    assert f"{stage.admin.email} cancelled this build." in page
    ended = await act(admin, build, "cancel")
    assert ended.status == 422
    assert "This deploy has ended." in await ended.text()


async def test_a_release_that_somebody_cancelled_says_so_and_who(admin, stage, app):
    build = await pushed(stage, app, work=False)
    await build_flow.work(stage.panel, "worker")
    await act(admin, build, "cancel")
    page = await admin.page("/apps/hello")
    assert "<h2>v2 was cancelled</h2>" in page
    assert f"{stage.admin.email} cancelled this deploy." in page
    assert "did not go live" not in page


async def test_a_rollback_from_the_page_of_a_deploy(admin, stage, app):
    [first] = await builds_of(stage, app)
    await pushed(stage, app)
    assert (await act(admin, first, "rollback")).headers["Location"] == "/apps/hello/deploys"
    await stage.work()
    assert (await current(stage, app)).description == "Rollback to v1"


async def test_a_log_is_searched_without_a_script_and_downloaded(admin, stage, app):
    build = await pushed(stage, app)
    url = f"/apps/hello/deploys/{build.id}"
    page = await admin.page(f"{url}?q=pYTHON")
    log = page.partition('role="log"')[2].partition("</section>")[0]
    assert "Python app detected" in log
    assert "Compressing" not in log
    assert "data-events" not in log
    assert 'value="pYTHON"' in page
    response = await admin.get(f"{url}/log?download=1")
    assert response.headers["Content-Disposition"] == f'attachment; filename="hello-{str(build.id)[:8]}.log"'
    assert "-----> Python app detected" in await response.text()


@pytest.mark.parametrize("part", ["", "/log", "/events"])
async def test_old_addresses_lead_to_the_deploy(admin, stage, app, part):
    [build] = await builds_of(stage, app)
    for old in (f"builds/{build.id}", "releases/1"):
        response = await admin.get(f"/apps/hello/{old}{part}?after=x", allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (308, f"/apps/hello/deploys/{build.id}{part}?after=x")
    await config_flow.change(stage.panel, app, {"KEY": "1"}, stage.admin)
    async with stage.panel.transaction() as conn:
        release = await releases.by_version(conn, app.id, 2)
    response = await admin.get("/apps/hello/releases/2", allow_redirects=False)
    assert response.headers["Location"] == f"/apps/hello/deploys/{release.id}"


async def test_what_is_no_deploy_is_not_found(admin, app):
    await admin.page("/apps/hello/deploys/00000000-0000-0000-0000-000000000000", 404)
    await admin.page("/apps/hello/releases/9", 404)


async def test_a_viewer_gets_no_buttons(new_client, stage, app):
    [build] = await builds_of(stage, app)
    await pushed(stage, app)
    client = await new_client()
    await client.sign_in(await stage.member(Role.VIEWER))
    page = await client.page(f"/apps/hello/deploys/{build.id}")
    assert 'name="do"' not in page
