"""Submodules of what is pushed and of what is fetched, on a real database and with git's own objects."""

import io
import tarfile
from functools import partial
from uuid import uuid4

import pytest
import zstandard

from skypanel.domain.build import SourceKind
from skypanel.domain.errors import Denied, Invalid, NotFound, SkyPanelError
from skypanel.domain.submodule import MAX_FETCHED_BYTES
from skypanel.flow import remote as remote_flow
from skypanel.flow import source as source_flow
from skypanel.flow import submodules
from skypanel.flow.source import ReceivedCommit
from skypanel.store import builds
from tests.fixtures.git_host import add_submodules, git
from tests.support.panels import silent

URL = "https://example.com/ada/app.git"
LIB = "https://example.com/ada/lib.git"
PRIVATE = "git@example.com:ada/lib.git"


@pytest.fixture
def link(elsewhere):
    return partial(add_submodules, elsewhere.root)


@pytest.fixture
async def app(stage):
    return await stage.app("hello")


def files_of(stage, digest):
    body = zstandard.ZstdDecompressor().decompressobj().decompress(stage.panel.objects.stored["sources", digest])
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {entry.name: archive.extractfile(entry).read().decode() for entry in archive.getmembers() if entry.isfile()}


async def deployed(stage, app, write=silent):
    """Deploy the git URL, and return the files of its source."""
    await remote_flow.choose(stage.panel, app, stage.admin, URL)
    build = await remote_flow.deploy(stage.panel, app, stage.admin, write)
    async with stage.panel.transaction() as conn:
        return files_of(stage, (await builds.get(conn, build.id)).source.digest)


async def pushed(stage, app, name, app_id=None):
    """Store the main branch of a repository as if it had been pushed, and return the files of its source."""
    repositories, root, app_id = stage.panel.repositories, stage.panel.remotes.root, app.id if app else app_id or uuid4()
    await repositories.create(app_id)
    git("-C", root / f"{name}.git", "push", "-q", "-f", repositories.path(app_id), "main")
    commit = (await repositories.refs(app_id))["refs/heads/main"]
    complete = submodules.of_push(stage.panel, app_id, app, stage.admin)
    arrival = ReceivedCommit(app_id, commit, "main", None, SourceKind.GIT)
    return files_of(stage, (await source_flow.store(repositories, stage.panel.objects, arrival, silent, complete)).digest)


async def test_a_submodule_is_fetched_at_its_commit_with_those_in_it(stage, app, publish, link):
    deep = publish("deep", {"deep.txt": "deep"})
    publish("lib", {"lib.py": "old"})
    lib = link("lib", {"inner/deep": (deep, "../deep.git")})
    publish("lib", {"lib.py": "new"})
    publish("app")
    link("app", {"vendor/lib": (lib, LIB)})
    lines = []

    async def write(line):
        lines.append(line)

    files = await deployed(stage, app, write)
    assert (files["vendor/lib/lib.py"], files["vendor/lib/inner/deep/deep.txt"]) == ("old", "deep")
    assert files["Procfile"].startswith("web:")
    assert f"-----> Fetching submodule vendor/lib: {lib[:7]} of {LIB}" in lines
    assert f"-----> Fetching submodule vendor/lib/inner/deep: {deep[:7]} of https://example.com/ada/deep.git" in lines
    assert any("on main: 7 files" in line for line in lines)


async def test_a_push_brings_public_submodules_also_where_it_makes_the_app(stage, app, publish, link):
    lib = publish("lib", {"lib.py": "x"})
    publish("app")
    link("app", {"lib": (lib, LIB)})
    for existing in (app, None):
        assert (await pushed(stage, existing, "app"))["lib/lib.py"] == "x"


async def test_the_same_trees_make_the_same_source(stage, app, publish, link, elsewhere):
    lib = publish("lib", {"lib.py": "x"})
    publish("app")
    link("app", {"lib": (lib, LIB)})
    assert await pushed(stage, app, "app") == await deployed(stage, app)
    assert len([key for key in stage.panel.objects.stored if key[0] == "sources"]) == 1


async def test_a_private_submodule_is_read_with_the_apps_deploy_key(stage, app, publish, link, elsewhere):
    lib = publish("lib", {"lib.py": "x"})
    publish("app")
    link("app", {"lib": (lib, PRIVATE)})
    elsewhere.private["lib"] = {"nobody's"}
    with pytest.raises(Denied) as refused:
        await pushed(stage, app, "app")
    assert (await remote_flow.show(stage.panel, app)).public_key in refused.value.hint
    elsewhere.private["lib"] = {"ssh-ed25519 key1"}
    assert (await pushed(stage, app, "app"))["lib/lib.py"] == "x"


async def test_a_private_submodule_of_an_app_that_is_not_there_yet_says_what_comes_first(stage, publish, link):
    lib = publish("lib")
    publish("app")
    link("app", {"lib": (lib, PRIVATE)})
    with pytest.raises(Denied, match="the app does not exist yet") as refused:
        await pushed(stage, None, "app")
    assert "Create the app, add its deploy key" in refused.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/lib.git",
        "file:///etc",
        "/etc/passwd",
        "ext::sh -c id",
        "git://example.com/lib.git",
        "https://ada:secret@example.com/lib.git",
        "--upload-pack=id",
        "-oProxyCommand=id@example.com:x",
        "../../../../lib.git",
        "",
    ],
)
async def test_a_hostile_url_is_refused_and_nothing_is_asked(stage, publish, link, elsewhere, url):
    lib = publish("lib")
    publish("app")
    link("app", {"lib": (lib, url)})
    with pytest.raises(SkyPanelError) as refused:
        await pushed(stage, None, "app")
    assert elsewhere.allowed == []
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ("", "git submodules without a URL"),
        (
            '[include]\n\tpath = /etc/passwd\n[submodule "x"]\n\tpath = other\n\turl = https://example.com/x.git\n',
            "without a URL in .gitmodules",
        ),
        ('[submodule "x"]\n\tpath = lib\n', "without a URL in .gitmodules"),
        ("[submodule", r"\.gitmodules cannot be read"),
        ("\0\x1b[2J = 1", r"\.gitmodules cannot be read"),
        ('[submodule "x"]\n\tpath = lib\n\turl = https://example.com/lib.git\n' + "#" * 70_000, "without a URL in .gitmodules"),
    ],
)
async def test_a_gitmodules_that_does_not_name_it_is_refused_with_what_to_do(stage, publish, link, modules, message):
    lib = publish("lib")
    publish("app")
    link("app", {"lib": (lib, LIB)}, modules)
    with pytest.raises(Invalid, match=message) as refused:
        await pushed(stage, None, "app")
    assert refused.value.hint


async def test_a_commit_that_is_not_there_is_not_found(stage, app, publish, link):
    publish("lib")
    publish("app")
    link("app", {"lib": ("1" * 40, LIB)})
    with pytest.raises(NotFound, match="does not have the requested commit"):
        await pushed(stage, app, "app")


async def test_a_relative_url_needs_a_repository_that_it_is_beside(stage, app, publish, link):
    lib = publish("lib", {"lib.py": "x"})
    publish("app")
    link("app", {"lib": (lib, "../lib.git")})
    with pytest.raises(Invalid, match="is relative, which pushes do not support"):
        await pushed(stage, app, "app")
    assert (await deployed(stage, app))["lib/lib.py"] == "x"


async def test_submodules_without_end_are_refused(stage, app, publish, link):
    commit = publish("loop", {"x": "x"})
    for _ in range(3):  # each fetches twice what the one before did
        commit = link("loop", {"a": (commit, "./../loop.git"), "b": (commit, "../loop.git"), "c": (commit, "../loop.git")})
    publish("app")
    link("app", {"lib": (commit, "https://example.com/ada/loop.git")})
    with pytest.raises(Invalid, match="more than 20 submodules"):
        await pushed(stage, app, "app")


async def test_what_submodules_hold_counts_for_the_limits(stage, app, publish, link, elsewhere):
    lib = publish("lib", {"model.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"})
    publish("app")
    link("app", {"lib": (lib, LIB)})
    with pytest.raises(Invalid, match=r"lib/model\.bin: Git LFS pointers"):
        await pushed(stage, app, "app")


async def test_all_of_them_together_may_be_so_large(stage, app, publish, link, elsewhere):
    one, two = publish("one", {"one": "x"}), publish("two", {"two": "x"})
    publish("app")
    link("app", {"one": (one, "https://example.com/one.git"), "two": (two, "https://example.com/two.git")})
    await pushed(stage, app, "app")
    (_, first), (_, second) = elsewhere.allowed
    assert first == MAX_FETCHED_BYTES
    assert 0 < first - second == elsewhere.sizes[one]
