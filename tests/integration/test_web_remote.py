"""The page from which an app is deployed by a git URL."""

from functools import partial

import pytest

from skypanel.domain.access import Role
from skypanel.flow import remote as remote_flow
from skypanel.store import builds
from tests.fixtures.git_host import publish as publish_in

URL = "https://example.com/ada/app.git"
PAGE = "/apps/hello/remote"


@pytest.fixture
def publish(stage):
    return partial(publish_in, stage.panel.remotes.root)


@pytest.fixture
async def app(stage):
    return await stage.app("hello")


def send(client, do, **fields):
    return client.send(PAGE, page=PAGE, do=do, **fields)


@pytest.mark.req("R6.2")
async def test_a_url_is_saved_and_deployed_and_its_log_shown(admin, stage, app, publish):
    commit = publish("app")
    assert PAGE in await admin.page("/apps/hello")
    saved = await send(admin, "save", url=URL, branch="")
    assert (saved.status, saved.headers["Location"]) == (303, PAGE)
    page = await admin.page(PAGE)
    assert f"<code>{URL}</code>" in page
    assert 'value="main"' in page
    deployed = await send(admin, "deploy")
    async with stage.panel.transaction() as conn:
        [build] = await builds.recent(conn, app.id, 5)
    assert (deployed.status, deployed.headers["Location"]) == (303, f"/apps/hello/deploys/{build.id}")
    await stage.work()
    log = await admin.page(deployed.headers["Location"])
    assert "Python app detected" in log
    assert f"Commit <code>{commit}</code>" in log
    assert "from the git URL" in await admin.page("/apps/hello")


@pytest.mark.req("R19.1")
@pytest.mark.req("R19.4")
@pytest.mark.parametrize(
    ("url", "branch", "said"),
    [
        ("https://example.com/ada/missing.git", "", "There is no git repository at"),
        (URL, "gone", "There is no branch gone"),
        ("https://ada:s3cret@example.com/x.git", "", "contains credentials"),
        ('"><script>', "", "Only https:// and ssh://"),
        ("https://example.com/ada/private.git", "", "git@example.com:ada/private.git"),
        ("git@example.com:ada/private.git", "", "Add this deploy key to the repository, for reading: ssh-ed25519 key1"),
        ("https://lost.example.com/app.git", "", "No server answers"),
    ],
)
async def test_what_cannot_be_saved_is_told_and_the_form_kept(admin, stage, app, publish, *, url, branch, said):
    publish("app")
    stage.panel.remotes.private["private"] = set()
    stage.panel.remotes.lost.add("lost.example.com")
    answer = await send(admin, "save", url=url, branch=branch)
    text = await answer.text()
    assert answer.status == 422
    assert said in text
    assert "<script>" not in text
    assert f'value="{branch}"' in text
    assert (await remote_flow.show(stage.panel, app)).remote is None


@pytest.mark.req("R19.5")
async def test_a_deploy_key_is_made_and_shown(admin, app):
    assert "ssh-ed25519" not in await admin.page(PAGE)
    assert (await send(admin, "key")).status == 303
    page = await admin.page(PAGE)
    assert '<pre tabindex="0">ssh-ed25519 key1 hello@localhost</pre>' in page
    assert "private half" not in page
    assert "Create a deploy key" not in page


async def test_a_url_is_cleared(admin, stage, app, publish):
    publish("app")
    await send(admin, "save", url=URL, branch="")
    assert (await send(admin, "clear")).status == 303
    assert f"<code>{URL}</code>" not in await admin.page(PAGE)
    assert (await send(admin, "deploy")).status == 422


async def test_what_no_button_says_is_refused(admin, app):
    assert (await send(admin, "destroy")).status == 422


async def test_viewers_look_and_others_see_nothing(new_client, stage, app, publish):
    publish("app")
    await remote_flow.choose(stage.panel, app, stage.admin, URL)
    viewer = await new_client()
    await viewer.sign_in(await stage.member(Role.VIEWER))
    page = await viewer.page(PAGE)
    assert f"<code>{URL}</code>" in page
    assert 'name="do"' not in page
    for do in ("save", "deploy", "key", "clear"):
        assert (await send(viewer, do, url=URL)).status == 403
    stranger = await new_client()
    await stranger.sign_in(await stage.outsider())
    await stranger.page(PAGE, status=404)
    assert (await stranger.send(PAGE, page="/account", do="deploy")).status == 404
