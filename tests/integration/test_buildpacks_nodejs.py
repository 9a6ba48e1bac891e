import json
import shutil

import pytest

from tests.support.buildpack_sandbox import free_port, new_site, package
from tests.support.runtime_mirror import runtime_mirror


@pytest.fixture(scope="module")
def site():
    """One app with one cache for all tests: what each of them installs differs."""
    with new_site() as site:
        yield site


def change(site, **fields):
    site.write("package.json", json.dumps({**package(site), **fields}))


def test_an_app_without_dependencies_answers(site):
    site.use("node-plain")
    assert site.detect("nodejs").output == "Node.js\n"
    output = site.compiled("nodejs").output
    assert "the stack's default, as the app names none" in output
    assert "-----> No dependencies to install" in output
    assert site.release("nodejs").output == "---\ndefault_process_types:\n  web: npm start\n"
    with site.serving("npm start") as server:
        assert server.get("/").body == "Hello from Node\n"
        assert server.get("/env?key=NODE_ENV").body == "production\n"


@pytest.mark.req("R17.1")
@pytest.mark.parametrize(
    ("kind", "lock", "hello"),
    [
        ("express", "package-lock.json", "Hello from express\n"),
        ("yarn", "yarn.lock", "Hello from yarn, 60000 ms a minute\n"),
        ("pnpm", "pnpm-lock.yaml", "Hello from pnpm, 60000 ms a minute\n"),
    ],
)
def test_each_package_manager_installs_builds_prunes_and_reuses(site, kind, lock, hello):
    site.use(f"node-{kind}")
    cold = site.compiled("nodejs")
    assert f"-----> Installing dependencies from {lock}" in cold.output
    assert (site.app / "built.txt").read_text() == "7.6.3\n"
    assert not (site.app / "node_modules/semver").exists()
    site.use(f"node-{kind}")
    warm = site.compiled("nodejs")
    assert f"       Using cached node_modules: {lock} is unchanged" in warm.output
    assert (site.app / "built.txt").read_text() == "7.6.3\n"
    with site.serving("npm start") as server:
        assert server.get("/").body == hello


@pytest.mark.parametrize(("linker", "start"), [("node-modules", "npm start"), ("pnp", "yarn start")])
def test_newer_yarn_works_with_and_without_node_modules(site, linker, start):
    site.use("node-yarn")
    (site.app / "yarn.lock").unlink()
    site.write(".yarnrc.yml", f"nodeLinker: {linker}\n")
    change(site, packageManager="yarn@4.9.1")
    output = site.compiled("nodejs").output
    assert "Package manager: yarn 4.9.1" in output
    assert " !     There is no lock file" in output
    assert f"web: {start}\n" in site.release("nodejs").output
    with site.serving(start) as server:
        assert server.get("/").body == "Hello from yarn, 60000 ms a minute\n"


def test_another_node_is_fetched_and_kept(site):
    site.use("node-plain")
    change(site, engines={"node": "18.20.8"})
    first = site.compiled("nodejs")
    assert "-----> Using Node.js 18.20.8: package.json asks for 18.20.8" in first.output
    assert "       Fetching Node.js 18.20.8" in first.output
    site.use("node-plain")
    change(site, engines={"node": "18.20.8"})
    assert "Fetching" not in site.compiled("nodejs").output
    assert {path.name for path in (site.app / ".heroku/node").iterdir()} <= {"bin", "lib"}
    with site.serving("npm start") as server:
        assert server.get("/node").body == "v18.20.8\n"


def test_another_node_comes_from_a_mirror_where_there_is_one(site):
    mirror = runtime_mirror()
    site.use("node-plain")
    assert site.needs("nodejs") == ""
    change(site, engines={"node": "18.x"})
    assert site.needs("nodejs").startswith("? ")
    site.offer("nodejs", mirror)
    try:
        output = site.compiled("nodejs").output
        assert f"-----> Using Node.js {mirror.nodes[0]}: package.json asks for 18.x" in output
        change(site, engines={"node": "17.x"})
        assert f" !     The newest are: {mirror.nodes[0]}" in site.compile("nodejs").output
    finally:
        shutil.rmtree(site.home / "tmp" / "runtimes")
    with site.serving("npm start") as server:
        assert server.get("/node").body == f"v{mirror.nodes[0]}\n"


def test_a_node_that_does_not_exist_names_some_that_do(site):
    site.use("node-plain")
    change(site, engines={"node": "999.x"})
    done = site.compile("nodejs")
    assert done.code == 1
    assert " !     There is no Node.js 999.x, which package.json asks for in engines.node." in done.output
    assert " !     The newest are: " in done.output


def test_a_range_that_is_none_is_refused(site):
    site.use("node-plain")
    change(site, engines={"node": "the newest"})
    done = site.compile("nodejs")
    assert done.code == 1
    assert " !     engines.node in package.json is the newest, which is no range of versions." in done.output


@pytest.mark.parametrize("other", ["yarn.lock", "pnpm-lock.yaml", "bun.lock"])
def test_lock_files_of_two_package_managers_are_named_and_refused(site, other):
    site.use("node-express")
    site.write(other, "")
    done = site.compile("nodejs")
    assert done.code == 1
    manager = other.partition("-")[0].partition(".")[0]
    assert f" !     There are 2 lock files, of 2 package managers: package-lock.json (npm), {other} ({manager})." in done.output
    assert "git rm the others" in done.output


def test_a_shrinkwrap_is_npms_too_and_counts(site):
    site.use("node-express")
    site.write("npm-shrinkwrap.json", (site.app / "package-lock.json").read_text())
    assert "-----> Installing dependencies from npm-shrinkwrap.json" in site.compiled("nodejs").output


def test_a_lock_of_bun_alone_is_told_to_be_of_no_use(site):
    site.use("node-plain")
    site.write("bun.lockb", "")
    output = site.compiled("nodejs").output
    assert " !     bun.lockb is Bun's, which is not here" in output
    assert "-----> No dependencies to install" in output


def test_a_lock_of_another_package_manager_than_named_is_refused(site):
    site.use("node-express")
    change(site, packageManager="pnpm@10.0.0")
    done = site.compile("nodejs")
    assert done.code == 1
    assert " !     package.json says packageManager pnpm@10.0.0, but the lock is npm's package-lock.json." in done.output


def test_a_package_json_that_is_not_json_is_refused(site):
    site.use("node-plain")
    site.write("package.json", '{"name": }')
    done = site.compile("nodejs")
    assert done.code == 1
    assert " !     package.json is not valid JSON: Expecting value: line 1 column 10" in done.output


@pytest.mark.parametrize("kind", ["express", "yarn"])
def test_a_registry_that_does_not_answer_is_not_the_apps_mistake(kind):
    nowhere = {"NPM_CONFIG_REGISTRY": f"http://127.0.0.1:{free_port()}/", "NPM_CONFIG_FETCH_RETRIES": "0"}
    with new_site(nowhere) as site:
        site.use(f"node-{kind}")
        if kind == "express":  # its lock names the registry's own URLs
            (site.app / "package-lock.json").unlink()
        done = site.compile("nodejs")
    assert done.code == 1
    assert " !     The package registry at 127.0.0.1:" in done.output
    assert "no mistake of the app's" in done.output
    assert "package.json, commit and push again" not in done.output


def test_a_failing_build_script_says_how_to_try_it(site):
    site.use("node-plain")
    change(site, scripts={"build": "echo compiling; exit 3"})
    done = site.compile("nodejs")
    assert done.code == 1
    assert "       compiling\n" in done.output
    assert " !     Try it with: npm run build\n" in done.output


def test_heroku_scripts_run_in_order_and_replace_build(site):
    site.use("node-plain")
    names = ("heroku-prebuild", "heroku-postbuild", "heroku-cleanup", "build")
    change(site, scripts={name: f"echo {name} >> /app/ran" for name in names})
    site.compiled("nodejs")
    assert (site.app / "ran").read_text().split() == ["heroku-prebuild", "heroku-postbuild", "heroku-cleanup"]


def test_an_app_that_nothing_starts_is_told_so(site):
    site.use("node-plain")
    (site.app / "server.js").unlink()
    change(site, scripts={})
    assert " !     Nothing says how the app starts." in site.compiled("nodejs").output
    assert site.release("nodejs").output == "--- {}\n"


def test_an_app_with_python_beside_is_told_how_to_have_both(site):
    site.use("node-plain")
    site.write("requirements.txt", "")
    output = site.compiled("nodejs").output
    assert " !     There is requirements.txt too, but package.json decides" in output
    site.write(".buildpacks", "nodejs\npython\n")
    assert "package.json decides" not in site.compiled("nodejs").output


def test_both_buildpacks_build_one_app(site):
    site.use("node-plain")
    site.write("requirements.txt", "")
    site.write(".buildpacks", "nodejs\npython\n")
    site.compiled("nodejs")
    site.compiled("python")
    with site.serving('python -c \'import os; os.execvp("node", ["node", "server.js"])\'') as server:
        assert server.get("/").body == "Hello from Node\n"
