"""What an app's files and config vars make of its build: real pushes of sample apps, with bundled and foreign buildpacks."""

import pytest

from tests.journeys.contract_samples import SamplesContract, mirror
from tests.journeys.git_server import running_git_server

__all__ = ["mirror"]

# Says at run time what it saw at compile time.
MIRROR = {
    "bin/detect": "#!/bin/sh\necho Mirror\n",
    "bin/compile": """\
#!/bin/sh
mkdir -p "$1/seen"
env >"$1/seen/environment"
printf '%s\\n' "$@" "$PWD" >"$1/seen/arguments"
cp -r "$3" "$1/seen/variables"
chmod -R a+r "$1/seen/variables"
echo first >"$1/seen/version"
echo "export FROM_BEFORE='of the mirror'" >export
""",
    "bin/release": "#!/bin/sh\necho 'default_process_types: {web: python3 -m http.server --directory seen $PORT}'\n",
}
ECHO = {
    "bin/detect": "#!/bin/sh\necho Echo\n",
    "bin/compile": '#!/bin/sh\necho "-----> Echo $FROM_BEFORE"\n',
}


@pytest.fixture(scope="module")
def git_server():
    with running_git_server() as server:
        server.publish("mirror", MIRROR)
        server.publish("echo", ECHO)
        server.publish("private/secret", ECHO)
        yield server


@pytest.fixture
def app(panel):
    """Have an app that exists before its first build, so that it can have config vars."""

    def make(name, fixture="procfile-only", **config_vars):
        repository = panel.repository(fixture)
        repository.push(name, "HEAD:refs/heads/begin")
        for key, value in config_vars.items():
            panel.cli("config", name, "--set", f"{key}={value}")
        return repository

    return make


@pytest.fixture(scope="module")
def front(panel):
    return panel


class TestSamples(SamplesContract):
    pass


def test_what_slugignore_names_is_not_in_the_slug(panel):
    repository = panel.repository("procfile-only")
    repository.write(".slugignore", "*.psd\n/public/drafts\n# a comment\n")
    for name in ("public/logo.psd", "public/drafts/one.txt", "public/sub/drafts/two.txt"):
        repository.write(name, name)
    repository.commit("Drafts")
    assert "Deleting 2 files matching .slugignore patterns." in repository.push("ignoring")
    answers = {path: panel.get("ignoring", path).status for path in ("/hello.txt", "/logo.psd", "/drafts/one.txt", "/sub/drafts/two.txt")}
    assert answers == {"/hello.txt": 200, "/logo.psd": 404, "/drafts/one.txt": 404, "/sub/drafts/two.txt": 200}


def test_profile_scripts_set_up_the_environment_at_run_time(panel):
    repository = panel.repository("python-plain")
    repository.write(".profile.d/10-first.sh", 'export FIRST="with $DYNO"\n')
    repository.write(".profile.d/20-second.sh", 'export SECOND="after $FIRST"\n')
    repository.write(".profile.d/notes.txt", "export FIRST=wrong\n")
    repository.commit("Profiles")
    repository.push("profiled")
    assert panel.get("profiled", "/env?key=SECOND").body == "after with web.1\n"


def test_the_second_of_two_buildpacks_sees_what_the_first_exports(panel):
    repository = panel.repository("python-plain")
    repository.write(".buildpacks", "nodejs\npython\n")
    repository.write("package.json", '{"name": "both", "scripts": {"build": "echo built by npm > built.txt"}}\n')
    repository.write("bin/pre_compile", "echo path $PATH of $NODE_ENV after $(cat built.txt)\n")
    repository.commit("Two")
    shown = repository.push("both")
    assert "/app/node_modules/.bin of production after built by npm" in shown
    assert panel.get("both").body == "Hello from SkyPanel\n"
    assert panel.get("both", "/env?key=NODE_ENV").body == "production\n"


def test_a_foreign_buildpack_gets_what_herokus_api_promises(panel, app, git_server):
    repository = app("mirrored", BUILDPACK_URL=git_server.url("mirror"), GREETING="two\nlines", PATH_TO_FILE="x")
    (repository.folder / "Procfile").unlink()
    commit = repository.commit("No Procfile")
    shown = repository.push("mirrored")
    assert f"-----> Fetching buildpack {git_server.url('mirror')}" in shown
    assert "-----> Mirror app detected" in shown
    assert "Default types for mirror -> web" in shown
    environment = panel.get("mirrored", "/environment").body
    seen = dict(line.split("=", 1) for line in environment.splitlines() if "=" in line)
    assert seen["STACK"] == "heroku-24"
    assert seen["SOURCE_VERSION"] == commit
    assert len(seen["REQUEST_ID"]) == 36
    assert not seen.keys() & {"GREETING", "PATH_TO_FILE", "BUILDPACK_URL", "BUILDPACK_USER"}
    assert panel.get("mirrored", "/arguments").body.split() == ["/app", "/cache", "/env", "/tmp/buildpacks/1"]
    assert panel.get("mirrored", "/variables/GREETING").body == "two\nlines"
    assert panel.get("mirrored", "/variables/BUILDPACK_URL").body == git_server.url("mirror")


def test_a_foreign_buildpack_can_be_pinned_to_a_commit(panel, app, git_server):
    first = git_server.publish("moving", MIRROR)
    git_server.publish("moving", {**MIRROR, "bin/compile": MIRROR["bin/compile"].replace("echo first", "echo second")})
    repository = app("pinned", BUILDPACK_URL=f"{git_server.url('moving')}#{first}")
    (repository.folder / "Procfile").unlink()
    repository.commit("No Procfile")
    repository.push("pinned")
    assert panel.get("pinned", "/version").body == "first\n"
    panel.cli("config", "pinned", "--set", f"BUILDPACK_URL={git_server.url('moving')}#main")
    repository.commit("Once more")
    repository.push("pinned")
    assert panel.get("pinned", "/version").body == "second\n"


def test_foreign_buildpacks_come_in_the_order_they_are_listed(app, git_server):
    repository = app("ordered", BUILDPACK_URL=f"{git_server.url('mirror')} {git_server.url('echo')} procfile")
    shown = repository.push("ordered")
    assert "-----> Echo of the mirror" in shown


def test_a_private_buildpack_is_fetched_by_a_login_that_nobody_reads(panel, app, git_server):
    repository = app("private", BUILDPACK_URL=git_server.url_with_login("private/secret"))
    shown = repository.push("private")
    assert f"Fetching buildpack {git_server.url('private/secret')}" in shown
    assert "token-of-the-builder" not in shown
    panel.cli("config", "private", "--set", f"BUILDPACK_URL={git_server.url('private/secret')}")
    repository.commit("Without the login")
    assert "could not be fetched" in repository.push("private", check=False)


@pytest.mark.parametrize(
    ("name", "tail", "words"),
    [
        ("missing", "/nothing.git", "could not be fetched"),
        ("no-commit", "/mirror.git#0123456789012345678901234567890123456789", "could not be fetched"),
        ("option", "/mirror.git#--upload-pack=x", "is not a buildpack"),
    ],
)
def test_a_buildpack_that_cannot_be_had_rejects_the_push(app, git_server, name, tail, words):
    url = git_server.url("mirror").removesuffix("/mirror.git") + tail
    shown = app(f"gone-{name}", BUILDPACK_URL=url).push(f"gone-{name}", check=False)
    assert words in shown
    assert "Push rejected, the build failed." in shown


def test_a_buildpack_that_does_not_fit_says_so(app, git_server):
    git_server.publish("picky", {**ECHO, "bin/detect": "#!/bin/sh\nexit 1\n"})
    shown = app("unfit", BUILDPACK_URL=git_server.url("picky")).push("unfit", check=False)
    assert "The buildpack picky does not fit this app." in shown
