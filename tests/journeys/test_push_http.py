"""The same job over HTTP and HTTPS: git, Traefik with the home's own certificate, the receiver, a build, a running app."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.journeys.harness import Answer, PanelUnderTest, Repository, wait_for

ADDRESSES = [("http", "skypanel.localhost"), ("https", "localhost"), ("https", "skypanel.localhost")]
SLOW = '{"name": "slow", "scripts": {"build": "echo building now; sleep %d"}}\n'


def at_rest(panel: PanelUnderTest) -> bool:
    """Whether no git works on the repositories, and nothing half-received lies there."""
    root = panel.home / "panel" / "repositories"
    busy = [folder for folder in Path("/proc").glob("[0-9]*") if str(root).encode() in command_line(folder)]
    return not busy and not list(root.glob("*.git/objects/tmp_objdir*"))


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def slow_repository(panel: PanelUnderTest, build_s: int = 8) -> Repository:
    repository = panel.repository("node-plain")
    repository.write("package.json", SLOW % build_s)
    repository.commit("Slow")
    return repository


def new_token(panel: PanelUnderTest) -> tuple[str, str]:
    """Return a token, and the id by which it can be revoked."""
    token = panel.cli("tokens", "add", "for git").stdout.strip()
    return token, panel.cli("tokens", "list").stdout.splitlines()[-1].split()[0]


@pytest.mark.req("R19.2")
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_push_makes_an_app_live_at_each_address(panel, address):
    name = "-".join(address).replace(".", "-")
    repository = panel.repository("python-plain")
    remote = panel.http_remote(name, *address)
    shown = repository.push_to(remote)
    assert f"-----> Creating app {name} in Main" in shown
    assert "Verifying deploy... done." in shown
    assert panel.get(name) == Answer(200, "Hello from SkyPanel\n")
    for version in "012":
        repository.git("-c", f"protocol.version={version}", "clone", "-q", remote, f"clone-{version}")
        assert (repository.folder / f"clone-{version}" / "Procfile").exists()


def test_every_version_of_the_protocol_pushes(panel):
    repository = panel.repository("python-plain")
    for version in "012":
        repository.commit(f"Version {version}")
        repository.git("-c", f"protocol.version={version}", "push", panel.http_remote("versions"), "HEAD:refs/heads/main")
    assert panel.cli("releases", "versions").stdout.splitlines()[1].split()[:2] == ["*", "v3"]


def test_thirty_megabytes_come_through_in_chunks(panel):
    repository = panel.repository("python-plain")
    (repository.folder / "noise").write_bytes(os.urandom(30 * 1024**2))
    repository.commit("Noise")
    repository.git("-c", "http.postBuffer=65536", "push", panel.http_remote("large"), "HEAD:refs/heads/main")
    assert panel.get("large").status == 200


def test_wrong_and_revoked_tokens_are_refused(panel):
    repository = panel.repository("python-plain")
    wrong = repository.push_to(panel.http_remote("tokens", token="wrong"), check=False)
    assert "remote: !     This API token is unknown, revoked or expired." in wrong
    token, number = new_token(panel)
    repository.push_to(panel.http_remote("tokens", token=token))
    panel.cli("tokens", "revoke", number)
    assert "This API token is unknown, revoked or expired." in repository.push_to(panel.http_remote("tokens", token=token), check=False)
    wait_for("rest", lambda: at_rest(panel))


def test_a_token_revoked_in_mid_push_leaves_the_old_release_serving(panel):
    repository = panel.repository("python-plain")
    repository.push_to(panel.http_remote("midway"))
    before = repository.git("ls-remote", panel.http_remote("midway")).stdout
    token, number = new_token(panel)
    push = slow_repository(panel, 60).start_push("midway", "+HEAD:refs/heads/main", remote=panel.http_remote("midway", token=token))
    push.wait_for_line("building now")
    panel.cli("tokens", "revoke", number)
    assert push.wait() != 0
    assert "The API token was revoked or expired during this push. Nothing was deployed." in push.text
    assert repository.git("ls-remote", panel.http_remote("midway")).stdout == before
    assert panel.get("midway") == Answer(200, "Hello from SkyPanel\n")
    repository.commit("Second")
    assert "Released v2" in repository.push_to(panel.http_remote("midway"))


def test_an_app_without_commits_can_be_cloned(panel):
    repository = panel.repository("python-plain")
    repository.write("requirements.txt", "this-is-no-package-anybody-has==99\n")
    repository.commit("Break it")
    assert "pre-receive hook declined" in repository.push_to(panel.http_remote("empty"), check=False)
    cloned = repository.git("clone", panel.http_remote("empty"), "clone").stdout
    assert "empty repository" in cloned
    assert "not found" in repository.git("clone", panel.http_remote("nobodys"), "other", check=False).stdout


def test_hanging_up_stops_nothing(panel):
    repository = slow_repository(panel)
    push = repository.start_push("hung-up", remote=panel.http_remote("hung-up"))
    push.wait_for_line("building now")
    push.process.kill()
    push.wait()
    wait_for("the app to be live", lambda: panel.get("hung-up").status == 200, 60)
    head = repository.git("rev-parse", "HEAD").stdout.strip()
    wait_for("the ref", lambda: head in repository.git("ls-remote", panel.http_remote("hung-up")).stdout)
    wait_for("rest", lambda: at_rest(panel))


def test_a_push_that_is_cut_off_leaves_nothing(panel):
    repository = panel.repository("python-plain")
    (repository.folder / "noise").write_bytes(os.urandom(30 * 1024**2))
    repository.commit("Noise")
    push = repository.start_push("cut-off", remote=panel.http_remote("cut-off"))
    root = panel.home / "panel" / "repositories"
    wait_for("the quarantine", lambda: list(root.glob("*.git/objects/tmp_objdir*")))
    push.process.kill()
    push.wait()
    wait_for("rest", lambda: at_rest(panel))


def test_pushes_at_once_do_not_mix(panel):
    names = [f"at-once-{number}" for number in range(4)]

    def push(name: str) -> None:
        repository = panel.repository("python-plain")
        repository.edit("app.py", "Hello from SkyPanel", name)
        repository.commit(name)
        repository.push_to(panel.http_remote(name, "http", "skypanel.localhost"))

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(push, names))
    assert [panel.get(name).body for name in names] == [f"{name}\n" for name in names]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/hello.git/info/refs", 403, "This is not a git service."),
        ("/hello.git/git-receive-pack", 405, "Method Not Allowed."),
        ("/HELLO.git/info/refs?service=git-upload-pack", 400, "'HELLO' is not a valid app name."),
        ("/hello.git/info/refs?service=git-upload-pack", 401, "Use an API token as the password"),
    ],
)
def test_what_is_no_request_of_gits_gets_one_line(panel, path, status, words):
    answer = panel.get("skypanel", path)
    assert (answer.status, words in answer.body) == (status, True)


def test_the_banner_tells_the_remote(panel):
    assert panel.banner_says(f"or https://localhost:{panel.ports[2]}/<app>.git with the API token as the password")


def test_somebody_invited_pushes_as_themselves(panel):
    assert "/login?token=" in panel.cli("members", "add", "Main", "grace@example.com", "--role", "developer").stdout
    assert "/login?token=" in panel.cli("accounts", "invite", "grace@example.com").stdout
    token = panel.cli("tokens", "add", "laptop", "--for", "grace@example.com", "--scope", "write").stdout.strip()
    key = panel.home / "graces"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for _ in range(2):
        assert "may push as grace@example.com." in panel.cli("keys", "add", f"{key}.pub", "--for", "grace@example.com").stdout
    repository = panel.repository("python-plain")
    repository.push_to(panel.http_remote("graces", token=token))
    by_her_key = {"GIT_SSH_COMMAND": panel.environment["GIT_SSH_COMMAND"].replace(str(panel.key), str(key))}
    subprocess.run(["git", "ls-remote", "--exit-code", panel.remote("graces")], env=panel.environment | by_her_key, check=True)
    assert panel.get("graces").status == 200
    row = next(line for line in panel.cli("accounts", "list").stdout.splitlines() if line.startswith("grace@example.com"))
    assert row.split()[1:4] == ["no", "1", "1"]
    refused = panel.cli("keys", "list", "--for", "nobody@example.com", check=False)
    assert (refused.returncode, "`skypanel accounts list`" in refused.stderr) == (1, True)
