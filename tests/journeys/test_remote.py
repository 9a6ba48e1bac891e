"""An app from a repository elsewhere to its first answer: over the whole panel, by the command."""

import pytest

from tests.fixtures.git_host import git_host, publish
from tests.fixtures.sshd import sshd
from tests.journeys.harness import FIXTURES, Answer

__all__ = ["git_host", "sshd"]


@pytest.fixture
def files():
    folder = FIXTURES / "python-plain"
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def loopback(panel):
    """Have git URLs lead to this machine."""
    panel.cli("settings", "set", "git_networks=127.0.0.0/8")
    yield
    panel.cli("settings", "set", "git_networks=")


@pytest.mark.req("R6.2")
@pytest.mark.req("R19.2")
def test_an_app_is_deployed_from_an_https_url(panel, loopback, git_host, files, monkeypatch):
    commit = git_host.publish("app", files)
    monkeypatch.setitem(panel.variables, "SSL_CERT_FILE", str(git_host.authority))
    done = panel.cli("remote", "set", "by-https", git_host.url("app"), "--create", "--deploy")
    assert f"Received {commit[:7]} on main" in done.stdout
    assert "Python app detected" in done.stdout
    assert "Verifying deploy... done" in done.stdout
    assert panel.get("by-https") == Answer(200, "Hello from SkyPanel\n")
    git_host.publish("app", {"app.py": files["app.py"].replace(b"Hello from SkyPanel", b"Hello again")})
    panel.cli("remote", "deploy", "by-https")
    assert panel.get("by-https").body == "Hello again\n"


@pytest.mark.req("R19.4")
@pytest.mark.req("R19.5")
def test_a_private_repository_is_deployed_with_the_key_that_the_error_shows(panel, loopback, sshd, files):
    publish(sshd.folder, "private", files)
    url = f"ssh://{sshd.user}@localhost:{sshd.port}{sshd.folder}/private.git"
    denied = panel.cli("remote", "set", "by-ssh", url, "--create", check=False)
    assert denied.returncode == 1
    key = panel.cli("remote", "key", "by-ssh").stdout.strip()
    assert f" !     Add this deploy key to the repository, for reading: {key}" in denied.stderr
    with (sshd.folder / "authorized_keys").open("a") as file:
        file.write(f"restrict {key}\n")
    panel.cli("remote", "set", "by-ssh", url)
    assert "Verifying deploy... done" in panel.cli("remote", "deploy", "by-ssh").stdout
    assert panel.get("by-ssh") == Answer(200, "Hello from SkyPanel\n")
    dump = b"".join(file.read_bytes() for file in (panel.home / "panel" / "logs" / "panel").iterdir())
    assert b"PRIVATE KEY" not in dump
    leftovers = list((panel.home / "panel" / "repositories").glob("fetch-*"))
    assert leftovers == []


@pytest.mark.req("R19.1")
def test_the_panels_own_services_are_out_of_reach(panel, sshd):
    for url in (f"https://127.0.0.1:{panel.ports[2]}/x.git", f"ssh://git@localhost:{panel.ports[0]}/x.git"):
        refused = panel.cli("remote", "set", "nosy", url, "--create", check=False)
        assert "is not a public server" in refused.stderr
    panel.cli("destroy", "nosy", "--confirm", "nosy")
