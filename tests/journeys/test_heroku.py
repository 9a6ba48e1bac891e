"""A developer's day with the unmodified Heroku CLI."""

import json
import re
import socket
import subprocess
from contextlib import closing
from datetime import timedelta

import pytest
from pyotp import TOTP

from skypanel.bootstrap import open_panel
from skypanel.flow import people, two_factor
from skypanel.settings import sources
from tests.fixtures.name_server import name_server
from tests.journeys.contract_heroku import HerokuContract, are_up, dynos, wait_for_dynos
from tests.journeys.curl import Curl
from tests.journeys.harness import new_panel
from tests.journeys.heroku_cli import Heroku, RunningCommand, hello, heroku, program, unbroken
from tests.support.pairs import pair

__all__ = ["hello", "heroku", "program"]

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def front():
    """A panel of this file's own, which has no other apps."""
    with new_panel() as made:
        yield made.up()


class TestHeroku(HerokuContract):
    pass


def test_logging_in_and_out(front, program):
    heroku = Heroku(front, program)
    email = "admin@localhost"
    front.cli("passwd", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    with heroku.started("login", "-i", terminal=True) as login:
        login.says("Email")
        login.tell(email)
        login.says("Password")
        login.tell(PASSWORD)
        login.says("Logged in as")
        login.process.wait(60)
    assert email in heroku("whoami")
    token = heroku("auth:token").split()[0]
    assert len(token) > 20
    assert email in Heroku(front, program, token)("auth:whoami")
    heroku("logout")
    assert "not logged in" in heroku("whoami", check=False)
    heroku.token = token
    assert "no valid API token" in heroku("whoami", check=False)


async def test_logging_in_with_two_factor_sign_in(front, program):
    heroku = Heroku(front, program)
    front.cli("passwd", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    async with open_panel(sources.load(front.environment)) as panel:
        admin = await people.first_admin(panel)
        await two_factor.begin(panel, admin)
        app = TOTP((await two_factor.setup(panel, admin)).secret)
        codes = await two_factor.confirm(panel, admin, app.at(panel.clock.now()), "127.0.0.1")
        try:
            with heroku.started("login", "-i", terminal=True) as login:
                login.says("Email")
                login.tell(admin.email)
                login.says("Password")
                login.tell(PASSWORD)
                login.says("Two-factor code")
                # Each code is good once, and the app has shown this one already.
                login.tell(app.at(panel.clock.now() + timedelta(seconds=app.interval)))
                login.says(f"Logged in as {admin.email}")
                login.process.wait(60)
        finally:
            await two_factor.disable(panel, admin, codes[0], "127.0.0.1")
    assert admin.email in heroku("whoami")


def test_whoami_with_a_token(heroku):
    assert "admin@localhost" in heroku("whoami")


def test_apps_are_made_listed_shown_and_destroyed(heroku):
    assert "short-lived" in heroku("apps:create", "short-lived", "--no-remote")
    assert "short-lived" in heroku("apps")
    shown = heroku("apps:info", "-a", "short-lived")
    assert "Owner:          admin@localhost" in re.sub(r"Owner: +", "Owner:          ", shown)
    assert "heroku-24" in heroku("stack", "-a", "short-lived")
    assert "is taken" in heroku("apps:create", "short-lived", "--no-remote", check=False)
    # A config var may be set before anything is pushed.
    assert "done, v0" in heroku("config:set", "EARLY=1", "-a", "short-lived")
    assert "did not match" in heroku("apps:destroy", "-a", "short-lived", "--confirm", "other", check=False)
    heroku("apps:destroy", "-a", "short-lived", "--confirm", "short-lived")
    assert "not found" in heroku("apps:info", "-a", "short-lived", check=False)


@pytest.mark.req("R12.2")
def test_config_vars_are_write_only(heroku, front, hello):
    assert "SECRET" in heroku("config:set", "SECRET=hunter2", "-a", "hello")
    for command in (["config"], ["config:get", "SECRET"], ["config:get", "SECRET", "--shell"], ["config", "--json"]):
        shown = heroku(*command, "-a", "hello", check=False)
        assert "hunter2" not in shown
        assert "***" not in shown
        assert "hello has SECRET; to list them masked, run: skypanel heroku config -a hello" in unbroken(shown)
    assert "hunter2" not in heroku("releases:info", "-a", "hello")
    assert "is the mask of a value" in heroku("config:set", "SECRET=********", "-a", "hello", check=False)
    heroku("config:unset", "SECRET", "-a", "hello")
    assert "SECRET" not in heroku("config", "-a", "hello")


def test_a_process_type_is_restarted(heroku, hello):
    before = dynos(heroku)
    heroku("ps:restart", "--process-type", "web", "-a", "hello")
    wait_for_dynos(heroku, "another dyno", are_up("web.1", instead_of=before))


def test_the_size_of_dynos_is_the_plans(heroku, hello):
    assert "Standard" in heroku("ps:type", "-a", "hello")
    heroku("ps:type", "web=Standard", "-a", "hello")
    assert "is on the plan Standard" in heroku("ps:type", "web=Enormous", "-a", "hello", check=False)


def test_releases_are_listed_shown_and_rolled_back(heroku, front, hello):
    heroku("config:set", "ONE=1", "-a", "hello")
    listing = heroku("releases", "-a", "hello")
    assert "Set ONE config vars" in listing
    assert "admin@localhost" in listing
    assert "Set ONE config vars" in heroku("releases:info", "-a", "hello")
    assert "Launching" in heroku("releases:output", "v1", "-a", "hello")
    rolled = heroku("releases:rollback", "v1", "-a", "hello")
    assert "Rolling back" in rolled
    assert "Rollback to v1" in heroku("releases", "-a", "hello")
    heroku("rollback", "-a", "hello")
    assert "no release v99" in heroku("releases:info", "v99", "-a", "hello", check=False)


def test_an_app_is_renamed_and_kept_from_visitors(heroku, front):
    heroku("apps:create", "before", "--no-remote")
    assert "after" in heroku("apps:rename", "after", "-a", "before")
    assert "not found" in heroku("apps:info", "-a", "before", check=False)
    heroku("maintenance:on", "-a", "after")
    assert "on" in heroku("maintenance", "-a", "after")
    heroku("maintenance:off", "-a", "after")
    assert "off" in heroku("maintenance", "-a", "after")
    heroku("apps:stacks:set", "heroku-24", "-a", "after")
    assert "it is taken for heroku-16" in heroku("apps:stacks:set", "heroku-16", "-a", "after")
    assert "There is no stack" in heroku("apps:stacks:set", "no-such-stack", "-a", "after", check=False)


def test_webhooks_are_added_listed_changed_and_removed(heroku):
    heroku("apps:create", "hooked", "--no-remote")
    assert "no webhooks" in heroku("webhooks", "-a", "hooked")
    added = heroku("webhooks:add", "-i", "api:formation,api:release", "-l", "notify", "-u", "https://1.1.1.1/hooks", "-a", "hooked")
    assert re.search(r"Signing Secret\W+[0-9a-f]{64}", added)
    listed = heroku("webhooks", "-a", "hooked")
    [webhook] = re.findall(r"[0-9a-f-]{36}", listed)
    assert "api:formation,api:release" in listed
    update = ("-i", "api:formation", "-l", "sync", "-u", "https://1.1.1.1/other", "-s", "mine")
    heroku("webhooks:update", webhook, *update, "-a", "hooked")
    shown = heroku("webhooks:info", webhook, "-a", "hooked")
    assert re.search(r"Level:\s+sync", shown)
    assert "https://1.1.1.1/other" in shown
    assert "no deliveries" in heroku("webhooks:deliveries", "-a", "hooked")
    assert "no events" in heroku("webhooks:events", "-a", "hooked")
    refused = heroku("webhooks:add", "-i", "api:addon-attachment", "-l", "notify", "-u", "https://1.1.1.1/", "-a", "hooked", check=False)
    assert "no events of 'api:addon-attachment'" in unbroken(refused)
    heroku("webhooks:remove", webhook, "-a", "hooked")
    assert "no webhooks" in heroku("webhooks", "-a", "hooked")


def test_log_drains_are_added_listed_and_removed(heroku):
    heroku("apps:create", "drained", "--no-remote")
    url = "https://me:hunter2@1.1.1.1/lines?key=hunter2"
    added = heroku("drains:add", url, "-a", "drained")
    listed = heroku("drains", "-a", "drained")
    [drain] = json.loads(heroku.run("drains", "--json", "-a", "drained").stdout)
    assert "https://1.1.1.1/..." in listed
    assert drain["token"] in listed
    assert "hunter2" not in added + listed
    assert "drained has this log drain already" in unbroken(heroku("drains:add", url, "-a", "drained", check=False))
    heroku("drains:remove", url, "-a", "drained")
    assert json.loads(heroku.run("drains", "--json", "-a", "drained").stdout) == []


def test_teams_members_and_collaborators(heroku):
    heroku("apps:create", "shared", "--no-remote")
    assert "has a new account" in heroku("access:add", "ada@example.com", "-a", "shared")
    assert re.search(r"ada@example.com +member", heroku("access", "-a", "shared"))
    heroku("access:update", "ada@example.com", "--permissions", "view", "-a", "shared")
    assert re.search(r"ada@example.com +collaborator +view$", heroku("access", "-a", "shared"), re.MULTILINE)
    heroku("access:update", "ada@example.com", "--permissions", "deploy,operate", "-a", "shared")
    assert re.search(r"ada@example.com +member", heroku("access", "-a", "shared"))
    assert "cannot be given the permission" in heroku("access:update", "ada@example.com", "-p", "manage", "-a", "shared", check=False)
    heroku("access:remove", "ada@example.com", "-a", "shared")
    assert "ada@example.com" not in heroku("access", "-a", "shared")
    team = re.search(r"^ *(\S.*?) +owner", heroku("teams"), re.MULTILINE)[1]
    heroku("members:add", "ada@example.com", "--role", "member", "--team", team)
    assert re.search(r"ada@example.com +member", heroku("members", "--team", team))
    heroku("members:set", "ada@example.com", "--role", "viewer", "--team", team)
    assert re.search(r"ada@example.com +collaborator", heroku("members", "--team", team))
    heroku("members:remove", "ada@example.com", "--team", team)
    assert "ada@example.com" not in heroku("members", "--team", team)
    heroku("apps:create", "of-the-team", "--no-remote", "--team", team)
    assert "of-the-team" in heroku("apps", "--team", team)
    assert "no feature" in heroku("features:info", "preboot", "-a", "shared", check=False)


def test_an_app_is_given_to_a_team_and_offered_to_somebody(heroku, front):
    front.cli("orgs", "add", "Acme")
    front.cli("members", "add", "Acme", "bob@example.com", "--role", "admin")
    heroku("apps:create", "given", "--no-remote")
    assert "Transferring given to Acme... done" in re.sub("[⬢ ]+", " ", heroku("apps:transfer", "Acme", "-a", "given"))
    assert "given" in heroku("apps", "--team", "Acme")
    offered = heroku("apps:transfer", "bob@example.com", "-a", "given")
    # The CLI wraps warnings, and begins each line with a mark.
    assert "ask bob@example.com to accept given on the dashboard" in re.sub(r"\W*\n\W*", " ", offered)
    assert "not found, or not yours" in heroku("apps:transfer", "Nobodys", "-a", "given", check=False)
    assert "no account here" in heroku("apps:transfer", "nobody@example.com", "-a", "given", check=False)


def test_buildpacks_are_chosen(heroku):
    heroku("apps:create", "packed", "--no-remote")
    assert "has no Buildpacks" in heroku("buildpacks", "-a", "packed")
    heroku("buildpacks:set", "https://git.example/heroku/heroku-buildpack-python", "-a", "packed")
    heroku("buildpacks:add", "--index", "1", "urn:buildpack:heroku/nodejs", "-a", "packed")
    shown = heroku("buildpacks", "-a", "packed")
    assert "1. heroku/nodejs" in shown
    assert "2. https://git.example/heroku/heroku-buildpack-python" in shown
    assert "is not a buildpack" in heroku("buildpacks:add", "urn:buildpack:heroku/cobol", "-a", "packed", check=False)
    heroku("buildpacks:remove", "https://git.example/heroku/heroku-buildpack-python", "-a", "packed")
    assert "Buildpacks cleared" in heroku("buildpacks:clear", "-a", "packed")


def test_keys_are_added_listed_and_removed(heroku, front):
    key = front.home / "another"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "dev@laptop", "-f", key], check=True)
    heroku("keys:add", f"{key}.pub")
    assert "dev@laptop" in heroku("keys")
    heroku("keys:remove", "dev@laptop")
    assert "dev@laptop" not in heroku("keys")


def test_tokens_are_made_listed_and_revoked(heroku):
    made = heroku.run("authorizations:create", "--description", "for the CI", "--scope", "read", "--json")
    authorization = json.loads(made.stdout)
    assert authorization["scope"] == ["read"]
    assert "for the CI" in heroku("authorizations")
    shown = heroku("authorizations:info", authorization["id"])
    assert "for the CI" in shown
    assert authorization["access_token"]["token"] not in shown
    heroku("authorizations:revoke", authorization["id"])
    assert "for the CI" not in heroku("authorizations")


def test_who_has_access_and_what_there_is_none_of(heroku, hello):
    assert "admin@localhost" in heroku("access", "-a", "hello")
    assert "hello.localhost" in heroku("domains", "-a", "hello")
    for command in ("certs", "drains", "addons", "features", "labs"):
        heroku(command, "-a", "hello")
    for command in ("pipelines", "regions"):
        heroku(command)
    assert "no feature" in heroku("features:enable", "preboot", "-a", "hello", check=False)


@pytest.mark.req("R2.1")
def test_domains_are_added_shown_waited_for_and_removed(heroku, front, hello):
    with name_server() as dns:
        front.cli("settings", "set", f"dns_resolvers=127.0.0.1:{dns.port}", "public_addresses=203.0.113.5")
        said = re.sub(r"\W*\n\W*", " ", heroku("domains:add", "www.example.com", "-a", "hello"))
        assert "point to the DNS Target hello.localhost" in said
        record = re.search(r"(_skypanel-challenge\.www\.example\.com) with the value ([0-9a-f]{32})", said)
        assert "hello.localhost" in heroku("domains:info", "www.example.com", "-a", "hello")
        dns.put(record[1], "TXT", record[2])
        heroku("domains:wait", "www.example.com", "-a", "hello")
        assert front.get_at("www.example.com").body == "Hello from SkyPanel\n"
        heroku("domains:add", "shop.example.com", "-a", "hello")
        assert "shop.example.com" in heroku("domains", "-a", "hello")
        assert "no certificate" in heroku("domains:update", "shop.example.com", "--cert", "other", "-a", "hello", check=False)
        assert "is shared by many" in heroku("domains:add", "co.uk", "-a", "hello", check=False)
        heroku("domains:remove", "shop.example.com", "-a", "hello")
        heroku("domains:clear", "-a", "hello")
        assert "example.com" not in heroku("domains", "-a", "hello")


@pytest.mark.req("R2.1", "R13.4")
def test_certificates_are_uploaded_shown_replaced_and_removed(heroku, front, hello, tmp_path):
    files = []
    for name in ("www.example.com", "shop.example.com"):
        chain, key = pair(name)
        files.append((tmp_path / f"{name}.crt", tmp_path / f"{name}.key"))
        for path, text in zip(files[-1], (chain, key), strict=True):
            path.write_text(text)
    said = heroku("certs:add", *map(str, files[0]), "-a", "hello")
    assert "CN=www.example.com" in said
    assert "SSL certificate is not trusted." in said
    assert "CN=SkyPanel at example.com" in heroku("certs:info", "-a", "hello")
    assert "CN=shop.example.com" in heroku("certs:update", *map(str, files[1]), "-a", "hello", "--confirm", "hello")
    listed = heroku("certs", "-a", "hello")
    assert "shop.example.com" in listed
    name = re.search("certificate-[0-9a-f]{8}", listed)[0]
    heroku("certs:auto:disable", "-a", "hello", "--confirm", "hello")
    assert "disabled" in heroku("certs:auto", "-a", "hello")
    heroku("certs:auto:enable", "-a", "hello")
    heroku("certs:auto:refresh", "-a", "hello")
    heroku("certs:remove", "--name", name, "-a", "hello", "--confirm", "hello")
    assert front.cli("certs", "list", "hello").stdout.splitlines() == [
        "NAME  DOMAINS  SOURCE  UNTIL", "", "The panel orders certificates for the domains of hello.",
    ]  # fmt: skip


def test_the_lists_behind_them_are_well_formed(front, hello):
    curl = Curl(front)
    assert curl(f"{curl.base}/account")["email"] == "admin@localhost"
    (domain,) = curl(f"{curl.base}/apps/hello/domains")
    assert (domain["hostname"], domain["kind"]) == ("hello.localhost", "heroku")
    for path in ("addons", "pipelines", *(f"apps/hello/{name}" for name in ("addons", "log-drains", "sni-endpoints"))):
        assert curl(f"{curl.base}/{path}") == []


def test_a_tail_is_plain_text_for_who_asks_for_no_events(front, hello):
    curl = Curl(front)
    wanted = json.dumps({"tail": True, "dyno": "web.1", "source": "app"})
    url = curl("-d", wanted, f"{curl.base}/apps/hello/log-sessions", status=201)["logplex_url"]
    with closing(RunningCommand(curl.argv("-N", url, token=False), front.environment, front.home, terminal=False)) as tail:
        tail.says("app[web.1]")
        front.get("hello", "/followed-by-curl")
        tail.says("/followed-by-curl")
    lines = tail.text.splitlines()[:-1]  # the last one may be cut off
    assert {re.sub("^[0-9T:.+-]{32} ", "", line).partition(": ")[0] for line in lines} == {"app[web.1]"}


def test_a_foreign_or_unknown_app_is_not_found(heroku):
    for command in (["ps"], ["config"], ["releases"], ["logs"], ["apps:info"]):
        assert "not found, or not yours" in heroku(*command, "-a", "nobodys", check=False)


def test_a_drain_gets_the_lines_of_dynos(heroku, front, hello):
    front.cli("settings", "set", "webhook_networks=127.0.0.0/8")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        url = f"syslog://127.0.0.1:{listening.getsockname()[1]}"
        heroku("drains:add", url, "-a", "hello")
        front.get("hello", "/drained")
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as lines:
            connection.settimeout(60)
            shown = next(line for line in lines if b"/drained" in line).decode()
        assert re.match(r"\d+ <190>1 \S+ d\.[0-9a-f-]{36} app web\.1 - - ", shown)
    heroku("drains:remove", url, "-a", "hello")
