"""Old versions of the Heroku CLI: the commands that scripts use, directly and by the relay. The newest has tests of its own."""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from skypanel.embedded.certificates import make_authority
from tests.journeys.harness import SKYPANEL, wait_for
from tests.journeys.heroku_cli import LOCKED, NEWEST, Heroku, installed, unbroken

# What is installed here for the first time takes a while on a busy machine.
pytestmark = pytest.mark.timeout(900)
APP = "of-all-versions"
VERSIONS = sorted((each.name for each in LOCKED.iterdir() if each.name != NEWEST), key=lambda name: int(name.split(".")[0]))
TRUST_NOBODY_ELSE = ("7.69", "8.11")


@pytest.fixture(scope="module")
def installing():
    """Versions that were never here are installed while the panel starts, and while others are tested."""
    with ThreadPoolExecutor(2) as pool:
        yield {version: pool.submit(installed, version) for version in VERSIONS}


@pytest.fixture(scope="module")
def app(installing, panel):
    """An app with web dynos, workers of which none runs, and a config var."""
    repository = panel.repository("python-plain")
    repository.write("Procfile", "web: python app.py\nworker: exec sleep 1000\n")
    repository.commit("A worker")
    repository.push(APP)
    panel.cli("config", APP, "--set", "SECRET=of-nobody")
    return APP


@pytest.fixture(params=VERSIONS)
def heroku(request, installing, app, panel):
    made = Heroku(panel, installing[request.param].result(), panel.token)
    made.version = request.param
    return made


def test_the_commands_of_scripts(heroku, app, panel):
    assert "admin@localhost" in heroku("whoami")
    assert heroku.run("auth:token").stdout.split() == [panel.token]
    own = f"by-{heroku.version.replace('.', '-')}"
    assert f"/{own}.git" in heroku("apps:create", own, "--no-remote")
    assert json.loads(heroku.run("apps:info", "--json", "-a", own).stdout)["app"]["name"] == own
    heroku("apps:destroy", "-a", own, "--confirm", own)

    shown = heroku("config:set", f"SECRET=of-{heroku.version}", "-a", app)
    current = int(re.search(r"done, v(\d+)", shown)[1])
    assert f"of-{heroku.version}" not in shown
    refused = heroku.run("config:get", "SECRET", "-a", app)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{app} has SECRET; to list them masked, run: skypanel heroku config -a {app}" in unbroken(refused.stderr)
    assert f"v{current}" in heroku("releases", "-a", app)
    assert f"done, v{current + 1}" in heroku("rollback", "-a", app)

    assert "worker at 1:Standard" in heroku("ps:scale", "worker=1", "-a", app)
    wait_for("both dynos", lambda: {"web.1: up", "worker.1: up"} <= set(re.findall(r"\S+: up", heroku("ps", "-a", app))), 60)
    heroku("ps:scale", "worker=0", "-a", app)
    done = heroku.run("run", "--exit-code", "-a", app, "--", "echo $((6 * 7)); (exit 7)")
    assert (done.stdout.strip(), done.returncode) == ("42", 7), done.stderr
    assert "app[web.1]" in heroku("logs", "-a", app)


def test_authorities_of_openssl(heroku, app, panel):
    """What SSL_CERT_FILE says is all that some versions trust; the relay adds whom they need."""
    foreign = panel.home / "elsewhere.pem"
    foreign.write_bytes(make_authority("elsewhere.example", datetime.now(UTC)).certificate)
    own = {"SSL_CERT_FILE": str(foreign)}
    direct = subprocess.run(["heroku", "ps", "-a", app], env=heroku.environment | own, text=True, capture_output=True, check=False)
    assert ("UNABLE_TO_VERIFY_LEAF_SIGNATURE" in direct.stderr) == (heroku.version in TRUST_NOBODY_ELSE), direct.stderr
    relayed = {name: value for name, value in heroku.environment.items() if not name.startswith(("HEROKU_", "NODE_"))}
    for command, words in ((["ps"], "web.1: up"), (["config"], "********")):
        argv = [SKYPANEL, "heroku", *command, "-a", app]
        shown = subprocess.run(argv, env=relayed | own, text=True, capture_output=True, check=False)
        assert words in shown.stdout, shown.stderr
