"""`skypanel heroku`: the unmodified CLI against a panel whose domain it would not take by itself."""

import signal
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.journeys.harness import SKYPANEL, new_panel, wait_for
from tests.journeys.heroku_cli import Heroku, RunningCommand, installed, unbroken

DOMAIN = "paas.example.com"
PASSWORD = "correct horse battery staple"
RESOLVE = f"""
const dns = require("node:dns");
const lookup = dns.lookup;
dns.lookup = (name, ...rest) => lookup(name === "{DOMAIN}" ? "127.0.0.1" : name, ...rest);
"""


class Relayed(Heroku):
    """Runs `skypanel heroku` in place of the CLI, which is on the PATH and told nothing."""

    @property
    def environment(self):
        path = f"{self.home / 'bin'}:{self.panel.environment['PATH']}"
        # DNS does not know the domain; git is told where it is, and so is what opens connections to the panel itself.
        resolve = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.curloptResolve"}
        resolve["GIT_CONFIG_VALUE_0"] = f"{DOMAIN}:{self.panel.ports[2]}:127.0.0.1"
        hook = self.home / "resolve.cjs"
        hook.write_text(RESOLVE)
        own = {"HOME": str(self.home), "PATH": path, "NO_COLOR": "1", "COLUMNS": "200", "NODE_OPTIONS": f"--require {hook}", **resolve}
        return self.panel.environment | own | ({"HEROKU_API_KEY": self.token} if self.token else {})

    @contextmanager
    def started(self, *arguments, terminal=False):
        running = RunningCommand([str(SKYPANEL), "heroku", *arguments], self.environment, self.home, terminal=terminal)
        try:
            yield running
        finally:
            running.close()

    def run(self, *arguments, cwd=None, typed=None):
        given = {"stdin": subprocess.DEVNULL} if typed is None else {"input": typed}
        return subprocess.run(
            [SKYPANEL, "heroku", *arguments],
            env=self.environment,
            cwd=cwd or self.home,
            **given,
            text=True,
            capture_output=True,
            check=False,
            timeout=120,
        )


@pytest.fixture(scope="module")
def front():
    with new_panel() as made:
        made.variables["SKYPANEL_DOMAIN"] = DOMAIN
        yield made.up()


@pytest.fixture
def heroku(front):
    return Relayed(front, installed())


def test_an_app_is_made_pushed_and_followed(front, heroku):
    assert f"admin@{DOMAIN}" in heroku("whoami")
    repository = front.repository("python-plain")
    assert "hello" in heroku("apps:create", "hello", cwd=repository.folder)
    remote = repository.git("remote", "get-url", "heroku").stdout.strip()
    assert remote == f"https://{DOMAIN}:{front.ports[2]}/hello.git"
    # As docs/heroku-cli.md says: the CLI's own helper gives git the token.
    lasting = heroku.environment | {
        "HEROKU_HOST": "https://localhost",
        "DISABLE_TELEMETRY": "true",
        "HEROKU_SKIP_ANALYTICS": "1",
        "HEROKU_DISABLE_AUTOUPDATE": "true",
        "HEROKU_GIT_HOST": f"{DOMAIN}:{front.ports[2]}",
        "HEROKU_API_KEY": front.token,
        "GIT_SSL_CAINFO": str(front.home / "panel" / "ca.crt"),
    }
    pushed = subprocess.run(
        ["git", "push", "heroku", "main"], cwd=repository.folder, env=lasting, text=True, capture_output=True, check=False, timeout=120
    )
    assert pushed.returncode == 0, pushed.stderr
    assert "Verifying deploy... done." in pushed.stderr
    # The remote says which app is meant.
    wait_for("a dyno", lambda: "web.1: up" in heroku("ps", cwd=repository.folder))
    assert "Launching" in heroku("releases:output", "v1", cwd=repository.folder)
    visit(front, "hello", "/before")
    with heroku.started("logs", "--tail", "-a", "hello") as tail:
        tail.says("/before")
        visit(front, "hello", "/followed-by-the-tail")
        tail.says("/followed-by-the-tail")


def visit(front, app, path):
    request = urllib.request.Request(f"http://127.0.0.1:{front.ports[1]}{path}", headers={"Host": f"{app}.{DOMAIN}:{front.ports[1]}"})
    # The app has no such page, and logs that it was asked for.
    with pytest.raises(urllib.error.HTTPError, match="404") as answered:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
    answered.value.close()


@pytest.fixture(scope="module")
def far(front):
    """An app in which commands can be run."""
    front.repository("python-plain").push("far")
    return "far"


def test_a_command_is_run_with_pipes(heroku, far):
    done = heroku.run("run", "--no-tty", "-a", far, "-e", "NAME=Ada", "--", "cat; echo $NAME", typed="one\ntwo\n")
    assert (done.stdout, done.returncode) == ("one\ntwo\nAda\n", 0), done.stderr
    assert heroku.run("run", "--exit-code", "-a", far, "--", "yes | head -c 300000; (exit 7)").returncode == 7


def test_a_command_is_run_at_a_terminal(heroku, far):
    # The CLI shows the command, so what is waited for is not in it.
    command = "stty size; trap 'echo caught $((40 + 2)); exit' INT; echo ready $((40 + 2)); read line; echo got $((2 * line)); cat"
    with heroku.started("run", "-a", far, "--", command, terminal=True) as run:
        run.says("ready 42")
        assert "25 181" in run.text
        run.tell("21")
        run.says("got 42")
        run.press("\x03")
        run.says("caught 42")
        run.process.wait(60)
    wait_for("the end of it", lambda: "run." not in heroku("ps", "-a", far))


def test_masks_are_listed_and_handed_on_as_no_value(heroku, far):
    assert "starts with a digit" in unbroken(heroku("config:set", "1FOO=hunter2", "-a", far))
    assert "********" in heroku("config", "-a", far)
    shown = heroku("config:get", "1FOO", "-a", far, check=False)
    assert ("***" in shown, "never shown. far has 1FOO;" in unbroken(shown)) == (False, True)


def test_what_there_is_none_of_is_well_formed(heroku):
    heroku("apps:create", "listed", "--no-remote")
    assert f"listed.{DOMAIN}" in heroku("domains", "-a", "listed")
    for command in ("certs", "drains", "addons", "webhooks", "features"):
        heroku(command, "-a", "listed")
    heroku("pipelines")


def test_the_exit_status_is_the_clis(heroku):
    assert heroku.run("ps", "-a", "nobodys").returncode == 2
    assert heroku.run("nonsense:command").returncode == 127
    assert heroku.run("--version").returncode == 0


def test_a_token_that_is_given_counts(heroku):
    heroku.token = "nonsense"
    assert "no valid API token" in heroku("whoami", check=False)


def test_it_ends_with_the_cli_and_the_cli_with_it(front, heroku):
    heroku("apps:create", "ended", "--no-remote")
    with heroku.started("logs", "--tail", "-a", "ended") as running:
        child = wait_for("the CLI", lambda: children(running.process.pid))
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 128 + signal.SIGTERM
        wait_for("its end", lambda: not Path(f"/proc/{child[0]}").exists())


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_login_lasts(front, heroku):
    (front.home / "panel" / "token").rename(front.home / "token-aside")
    try:
        front.cli("passwd", stdin=f"{PASSWORD}\n{PASSWORD}\n")
        with heroku.started("login", "-i", terminal=True) as login:
            login.says("Email")
            login.tell(f"admin@{DOMAIN}")
            login.says("Password")
            login.tell(PASSWORD)
            login.says("Logged in as")
            login.process.wait(60)
        assert f"admin@{DOMAIN}" in heroku("whoami")
    finally:
        (front.home / "token-aside").rename(front.home / "panel" / "token")


def test_without_the_cli_it_says_how_to_get_it(front):
    done = front.cli("heroku", "ps", check=False)
    assert done.returncode == 1
    assert "npm install -g heroku" in done.stderr


def test_the_dashboard_of_a_domain_is_there_by_https_alone(front):
    host, (_, http, https) = f"skypanel.{DOMAIN}", front.ports
    resolve = [word for port in (http, https) for word in ("--resolve", f"{host}:{port}:127.0.0.1")]
    curl = ["curl", "-sS", "--noproxy", "*", "--cacert", front.home / "panel" / "ca.crt", *resolve, "-o", "/dev/null", "-D", "-"]
    plain = subprocess.run([*curl, f"http://{host}:{http}/login?next=/"], capture_output=True, text=True, check=True).stdout
    assert f"location: https://{host}:{https}/login?next=/" in plain.replace("Location", "location")
    shown = subprocess.run([*curl, f"https://{host}:{https}/login"], capture_output=True, text=True, check=True).stdout
    assert "__Host-skypanel-visit=" in shown
    assert front.cli("login-link").stdout.startswith(f"https://{host}:{https}/login?token=")
