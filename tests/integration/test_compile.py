"""What the slug compiler makes of a tree, in real sandboxes."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest

from skypanel.domain.build import Build, BuildState, Source
from skypanel.domain.errors import Invalid
from skypanel.flow.compile import compile_slug
from tests.fakes.objects import FakeObjects
from tests.fixtures.launcher import MODES, chunks, make_app, running_launcher, slug

STATIC, PYTHON = {"index.html": "<h1>hi</h1>"}, {"requirements.txt": "", "Procfile": "web: python app.py", "app.py": ""}


def inside(folder, files):
    return {f"{folder}/{name}": text for name, text in files.items()}


@pytest.fixture(scope="module")
def launcher():
    with running_launcher(root=MODES[0] == "root") as made:
        yield made


@pytest.fixture
def compiled(launcher):
    """Compile a tree, and return the slug and what was printed; of what failed, the error."""

    async def compile_tree(files, **config_vars):
        objects, lines = FakeObjects(), []

        async def write(line):
            lines.append(line)

        source = await objects.add("sources", chunks(slug(files)))
        app = make_app()
        build = Build(uuid4(), app.id, None, Source("git", source.digest), BuildState.BUILDING, 1, datetime.now(UTC))
        panel = SimpleNamespace(objects=objects, builder=launcher.builder)
        try:
            return await compile_slug(panel, app, build, config_vars, write), lines
        except Invalid as error:
            return error, lines

    return compile_tree


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"go.mod": "module x", "main.go": ""}, "a Go app (it has go.mod)"),
        ({"Gemfile": "", "app.rb": ""}, "a Ruby app (it has Gemfile)"),
        ({"Gemfile": "", "config.ru": "", "package.json": "{}"}, "a Ruby app (it has config.ru)"),
        ({"composer.json": "{}", "public/index.php": ""}, "a PHP app (it has composer.json)"),
        ({"index.php": "", "index.html": ""}, "a PHP app (it has index.php)"),
        ({"composer.json": "{}", "artisan": "", "package.json": "{}"}, "a PHP app (it has artisan)"),
        ({"pom.xml": "", "src/main/java/App.java": ""}, "a Java app (it has pom.xml)"),
        ({"build.gradle.kts": "", "gradlew": ""}, "a Java app (it has build.gradle.kts)"),
        ({"Shop.csproj": ""}, "a .NET app (it has *.csproj)"),
        ({"go.mod": "module x", "public/index.html": ""}, "a Go app (it has go.mod)"),
    ],
)
async def test_a_language_without_a_buildpack_is_named(compiled, files, told):
    error, lines = await compiled({**files, "Procfile": "web: bin/app"})
    assert f"This is {told}, and SkyPanel has no buildpack for" in error.message
    assert "BUILDPACK_URL" in error.hint
    assert not any("detected" in line for line in lines)


@pytest.mark.parametrize(
    ("files", "label"),
    [
        ({"static.json": "{}", "index.html": "", "Gemfile": ""}, "Static"),
        ({"package.json": '{"scripts": {"start": "node x"}}', "Gemfile": ""}, "Node.js"),
    ],
)
async def test_a_language_beside_one_that_is_built_is_told_of(compiled, files, label):
    _, lines = await compiled(files)
    assert lines[:3] == [
        f"-----> {label} app detected",
        " !     There is Gemfile too, but SkyPanel has no buildpack for Ruby:",
        f" !     this is built only as a {label} app.",
    ]


async def test_what_is_committed_ready_to_run_is_run_by_name(compiled):
    made, _ = await compiled({"go.mod": "module x", "Procfile": "web: bin/app"}, BUILDPACK_URL="procfile")
    assert made.process_types == {"web": "bin/app"}


async def test_a_folder_of_a_repository_is_built_as_if_it_were_all(compiled):
    files = {**inside("apps/site", STATIC | {"Procfile": "web: serve", ".slugignore": "*.psd", "big.psd": ""}), **PYTHON}
    made, lines = await compiled(files, APP_BASE="/apps/site/")
    assert lines[0] == "-----> Building the folder apps/site, set by APP_BASE"
    assert lines[1] == "-----> Deleting 1 files matching .slugignore patterns."
    assert "-----> Static app detected" in lines
    assert made.process_types == {"web": "serve"}


@pytest.mark.parametrize("folder", ["", ".", "/", "./"])
async def test_the_top_is_the_folder_where_none_is_named(compiled, folder):
    _, lines = await compiled(STATIC, APP_BASE=folder)
    assert lines[0] == "-----> Static app detected"


@pytest.mark.parametrize("folder", ["nowhere", "index.html", "../etc", "a/../..", "/etc", "-rf", "out", "$(touch x)"])
async def test_a_folder_that_is_none_is_refused_by_name(compiled, folder):
    error, _ = await compiled(STATIC, APP_BASE=folder)
    assert error.message.startswith(f"APP_BASE is {folder.strip('/')}")
    assert "folder" in error.message


async def test_the_folder_that_has_an_app_is_named(compiled):
    error, _ = await compiled({"README.md": "", **inside("api", PYTHON), **inside("docs", {"a.txt": ""}), "api/public/index.html": ""})
    assert error.message == "No buildpack fits the root of this repository, but its folder api has a Python app."
    assert error.hint.endswith("--set APP_BASE=api")


async def test_folders_that_have_apps_are_listed(compiled):
    error, _ = await compiled({**inside("apps/api", PYTHON), **inside("web site", STATIC), "node_modules/x/package.json": "{}"})
    assert error.message.endswith("these folders have apps: apps/api (Python), web site (Static).")


async def test_a_cache_over_its_limit_is_not_kept_and_the_build_goes_on(compiled):
    made, lines = await compiled({**PYTHON, "bin/pre_compile": "#!/bin/bash\nfallocate -l 2100M /cache/large"})
    assert made.process_types == {"web": "python app.py"}, lines
    (line,) = [line for line in lines if "Not kept" in line]
    held = r"       Not kept for the next build: the build cache has 2\.1G in \d+ files; the limit is 2\.0G in 262,144 files\."
    assert re.fullmatch(held, line)


async def test_nothing_at_all_says_what_to_add(compiled):
    error, _ = await compiled({"README.md": ""})
    assert error.message == "No buildpack fits this app."
    assert "APP_BASE" in error.hint
