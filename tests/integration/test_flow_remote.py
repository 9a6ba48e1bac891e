"""Deploying from a git repository elsewhere, on a real database."""

from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from skypanel.domain.access import Role
from skypanel.domain.build import BuildState
from skypanel.domain.commit import Note
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.drivers.crypto.fernet import FernetCipher
from skypanel.flow import apps as apps_flow
from skypanel.flow import remote as remote_flow
from skypanel.flow import settings as settings_flow
from skypanel.flow.secrets import reencrypt
from skypanel.store import apps, audit, builds, deploy_keys, releases, remotes
from tests.support.panels import silent

URL = "https://example.com/ada/app.git"
PRIVATE = "git@example.com:ada/app.git"


@pytest.fixture
async def app(stage):
    return await stage.app("hello")


async def actions(stage, count=10):
    async with stage.panel.transaction() as conn:
        return {entry.action: entry for entry in await audit.recent(conn, count)}


@pytest.mark.req("R6.2")
async def test_a_git_url_is_fetched_its_buildpack_detected_and_a_release_goes_live(stage, app, publish):
    commit = publish("app")
    chosen = await remote_flow.choose(stage.panel, app, stage.admin, URL)
    assert (str(chosen.url), chosen.branch) == (URL, "main")
    lines = []

    async def write(line):
        lines.append(line)

    build = await remote_flow.deploy(stage.panel, app, stage.admin, write)
    assert lines[:2] == [f"-----> Fetching main of {URL}", f"-----> Received {commit[:7]} on main: 3 files, 34B"]
    await stage.work()
    assert "-----> Python app detected" in stage.panel.output.texts(f"build/{build.id}")
    async with stage.panel.transaction() as conn:
        built = await builds.get(conn, build.id)
        served = (await apps.get(conn, app.id)).current_release_id
        release = await releases.get(conn, served)
    assert (built.state, built.source.kind, built.source.commit) == (BuildState.SUCCEEDED, "remote", commit)
    assert (release.build_id, release.description) == (build.id, f"Deploy {commit[:8]}")
    assert ("sources", built.source.digest) in stage.panel.objects.stored
    assert (built.source.branch, built.source.note) == ("main", Note("Publish", "Dev"))
    entry = (await actions(stage))["build.request"]
    assert entry.details == {"build": str(build.id), "source": "remote", "url": URL, "branch": "main"}


async def test_the_same_commit_is_built_again_where_that_is_asked_for(stage, app, publish):
    publish("app")
    await remote_flow.choose(stage.panel, app, stage.admin, URL)
    slugs = set()
    for _ in range(2):
        build = await remote_flow.deploy(stage.panel, app, stage.admin, silent)
        await stage.work()
        async with stage.panel.transaction() as conn:
            slugs.add((await builds.get(conn, build.id)).slug_id)
    assert len(slugs) == 2


async def test_what_is_deployed_is_the_branch_as_it_is_then(stage, app, publish):
    publish("app")
    publish("app", branch="stable")
    await remote_flow.choose(stage.panel, app, stage.admin, URL, "stable")
    newest = publish("app", {"more": "x"}, "stable")
    assert (await remote_flow.deploy(stage.panel, app, stage.admin, silent)).source.commit == newest


@pytest.mark.req("R19.1")
@pytest.mark.parametrize(
    ("url", "branch", "kind", "said"),
    [
        ("https://example.com/ada/missing.git", "", NotFound, "no git repository"),
        ("https://lost.example.com/ada/app.git", "", Unavailable, "No server answers"),
        ("https://example.com/ada/empty.git", "", Invalid, "is empty"),
        ("https://ada:s3cret@example.com/ada/app.git", "", Invalid, "contains credentials"),
        ("file:///etc/passwd", "", Invalid, "Only https"),
        ("--upload-pack=x", "", Invalid, "Only https"),
        (URL, "--upload-pack=x", Invalid, "is not a valid branch name"),
        pytest.param(URL, "gone", NotFound, "no branch gone in .* Choose one of its branches: main", marks=pytest.mark.req("R19.3")),
    ],
)
async def test_what_cannot_be_read_is_not_saved(stage, app, elsewhere, publish, *, url, branch, kind, said):
    publish("app")
    publish("empty", None)
    elsewhere.lost.add("lost.example.com")
    with pytest.raises(kind, match=said):
        await remote_flow.choose(stage.panel, app, stage.admin, url, branch)
    assert (await remote_flow.show(stage.panel, app)).remote is None
    assert "remote.choose" not in await actions(stage)


@pytest.mark.req("R19.4")
@pytest.mark.req("R19.5")
async def test_a_private_repository_is_opened_by_the_deploy_key_that_the_error_shows(stage, app, elsewhere, publish):
    commit = publish("app")
    elsewhere.private["app"] = set()
    with pytest.raises(Denied, match=r"requires authentication.*git@example\.com:ada/app\.git.*deploy key"):
        await remote_flow.choose(stage.panel, app, stage.admin, URL)
    with pytest.raises(Denied, match=r"requires authentication.*Add this deploy key.*ssh-ed25519 key1 hello@localhost"):
        await remote_flow.choose(stage.panel, app, stage.admin, PRIVATE)
    shown = await remote_flow.show(stage.panel, app)
    assert shown.remote is None
    assert shown.public_key == "ssh-ed25519 key1 hello@localhost"
    assert await remote_flow.deploy_key(stage.panel, app, stage.admin) == shown.public_key
    elsewhere.private["app"] = {"ssh-ed25519 key1"}
    await remote_flow.choose(stage.panel, app, stage.admin, PRIVATE)
    assert (await remote_flow.deploy(stage.panel, app, stage.admin, silent)).source.commit == commit
    elsewhere.private["app"] = set()
    await stage.work()
    with pytest.raises(Denied, match="key1"):
        await remote_flow.deploy(stage.panel, app, stage.admin, silent)
    done = await actions(stage)
    assert done["deploy_key.add"].details == {"public_key": shown.public_key}
    assert "private half" not in str(done)


async def test_every_app_has_a_key_of_its_own(stage, app):
    keys = {await remote_flow.deploy_key(stage.panel, one, stage.admin) for one in (app, await stage.app("other"))}
    assert len(keys) == 2


@pytest.mark.req("R19.5")
async def test_a_host_key_is_kept_at_first_and_another_one_is_refused(stage, app, elsewhere, publish):
    publish("app")
    chosen = await remote_flow.choose(stage.panel, app, stage.admin, PRIVATE)
    assert chosen.host_key == "ssh-ed25519 AAAA1"
    elsewhere.host_keys["example.com"] = "ssh-ed25519 AAAA2"
    with pytest.raises(Conflict, match="has changed: it may be another"):
        await remote_flow.deploy(stage.panel, app, stage.admin, silent)
    with pytest.raises(Conflict, match="has changed: it may be another"):
        await remote_flow.choose(stage.panel, app, stage.admin, "git@example.com:ada/other.git")
    await remote_flow.choose(stage.panel, app, stage.admin, "git@elsewhere.example.com:ada/app.git")
    await remote_flow.choose(stage.panel, app, stage.admin, PRIVATE)
    assert (await remote_flow.show(stage.panel, app)).remote.host_key == "ssh-ed25519 AAAA2"


async def test_without_a_git_url_there_is_nothing_to_deploy_or_clear(stage, app):
    for doing in (remote_flow.deploy(stage.panel, app, stage.admin, silent), remote_flow.clear(stage.panel, app, stage.admin)):
        with pytest.raises(NotFound, match="has no git URL"):
            await doing


async def test_a_git_url_is_cleared_and_the_key_stays(stage, app, publish):
    publish("app")
    await remote_flow.choose(stage.panel, app, stage.admin, PRIVATE)
    await remote_flow.clear(stage.panel, app, stage.admin)
    shown = await remote_flow.show(stage.panel, app)
    assert (shown.remote, shown.public_key) == (None, "ssh-ed25519 key1 hello@localhost")
    assert "remote.clear" in await actions(stage)


async def test_one_deploy_at_a_time(stage, app, publish):
    publish("app")
    await remote_flow.choose(stage.panel, app, stage.admin, URL)
    await remote_flow.deploy(stage.panel, app, stage.admin, silent)
    with pytest.raises(Conflict, match=r"hello is being built: .* deployed its git URL"):
        await remote_flow.deploy(stage.panel, app, stage.admin, silent)


@pytest.mark.parametrize("files", [{"model.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"}])
async def test_a_tree_that_cannot_be_built_is_refused_as_in_a_push(stage, app, publish, files):
    publish("app", files)
    await remote_flow.choose(stage.panel, app, stage.admin, URL)
    with pytest.raises(Invalid, match="Git LFS pointers"):
        await remote_flow.deploy(stage.panel, app, stage.admin, silent)
    async with stage.panel.transaction() as conn:
        assert await builds.recent(conn, app.id, 1) == []


@pytest.mark.req("R8.2")
async def test_private_halves_are_encrypted_and_rotated_with_all_secrets(stage, app, postgres, dsn):
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    stage.panel = replace(stage.panel, cipher=FernetCipher([old]))
    await remote_flow.deploy_key(stage.panel, app, stage.admin)
    assert b"private half" not in postgres.dump(dsn)
    assert await reencrypt(replace(stage.panel, cipher=FernetCipher([new, old]))) == 1
    async with stage.panel.transaction() as conn:
        secret = await deploy_keys.secret(conn, app.id)
    assert FernetCipher([new]).decrypt(secret) == "private half of ssh-ed25519 key1"


async def test_an_app_takes_its_git_url_and_key_with_it(stage, app, publish):
    publish("app")
    await remote_flow.choose(stage.panel, app, stage.admin, PRIVATE)
    await apps_flow.destroy(stage.panel, app, stage.admin)
    async with stage.panel.transaction() as conn:
        assert await remotes.get(conn, app.id) is None
        assert await deploy_keys.secrets(conn) == {}


async def test_private_networks_are_an_administrators_to_allow(stage):
    await settings_flow.change(stage.panel, stage.admin, {"git_networks": " 10.1.0.0/16, ::1 "})
    shown = {one.setting.key: one.value for one in await settings_flow.show(stage.panel, stage.admin)}
    assert shown["git_networks"] == "10.1.0.0/16,::1/128"
    await settings_flow.change(stage.panel, stage.admin, {"git_networks": ""})
    with pytest.raises(Invalid, match="git_networks: 'anywhere' is not a network"):
        await settings_flow.change(stage.panel, stage.admin, {"git_networks": "anywhere"})
    with pytest.raises(Denied):
        await settings_flow.change(stage.panel, await stage.member(Role.OWNER), {"git_networks": "0.0.0.0/0"})
