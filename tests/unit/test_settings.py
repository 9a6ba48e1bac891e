import ast
import json
import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.routing import Address
from skypanel.ports.queue import PERIODIC, QUEUES, Job
from skypanel.settings import Settings, panel_json, readers
from skypanel.settings.declaration import VARIABLES, Chosen, Variables, WorkerVariables, from_environment, settings_of, variable
from skypanel.settings.paths import home_folder, identity
from skypanel.settings.readers import MAX_PORT
from skypanel.settings.sources import IDENTITY, _secret, load, of_worker
from tests.support.documents import ROOT, tables, with_tables

CHOSEN = Chosen(
    run_dir=Path("/run/skypanel/0a1b2c3d"), web_port=20001, traefik_port=20002, git_port=20003, uid_base=1 << 20,
    subnet=IPv4Network("10.9.64.0/18"), allow=("10.0.0.1/32:53",),
)  # fmt: skip
# Of each variable: what is typed, what that is, and what is refused.
EXAMPLES = {
    "domain": (
        "Apps.Example.COM.",
        "apps.example.com",
        ("a..b", "-a.example", "exa mple", "a_b.example", "http://x", "*.example.com", "x" * 64, "a." * 100),
    ),
    **dict.fromkeys(
        ("ssh_port", "http_port", "https_port", "rendezvous_port"),
        (" 22 ", 22, ("0", "65536", "-1", "80.0", "http", "٨٠", "1e3", "2222x")),
    ),
    "dashboard": ("http", "http", ("ftp", "HTTP")),
    "allow": (
        "10.1.0.0/16, 192.168.7.2:5432,",
        ("10.1.0.0/16", "192.168.7.2/32:5432"),
        ("10.0.0.0/33", "10.0.0.1/8", "example.com", "10.0.0.0/8:0", "fd00::/8", "10.0.0.0/8:"),
    ),
    "connections_per_address": ("20", 20, ("0", "1000001", "-1", "1e3", "many", "9" * 5000)),
    "trusted_proxies": (
        "10.1.2.3, fd00::/32,",
        ("10.1.2.3/32", "fd00::/32"),
        ("10.0.0.1/8", "proxy.example.com", "10.0.0.1:80", "fe80::1%eth0", "fd00::%} accept/64", "10.1.2.3,fd00::1/129"),
    ),
    "proxy_protocol": ("198.51.100.0/24, fd00::1", ("198.51.100.0/24", "fd00::1/128"), ("10.0.0.1/8", "lb.example.com")),
    "http3": ("on", "on", ("yes", "ON", "1")),
    "stop_grace_s": ("600", 600, ("29", "601", "-30", "1m")),
    "engine": ("swarm", "swarm", ("kubernetes",)),
    "docker_host": ("tcp://10.0.0.1:2376", "tcp://10.0.0.1:2376", ("unix://relative.sock", "unix:///a b", "ssh://host")),
    "ingress_host": ("10.0.0.1", "10.0.0.1", ("10.0.0", "manager.example.com", "fd00::1")),
    "endpoint_mode": ("vip", "vip", ("both",)),
    "queues": ("rollouts, builds,rollouts", ("rollouts", "builds"), ("builds,mail",)),
}
REFUSALS = {
    "domain": "is 'a..b', which is not a domain. Set it to a domain such as localhost or apps.example.com.",
    "https_port": "is '0', which is not a port number. Set it to a number from 1 to 65535.",
    "dashboard": "is 'ftp'. Set it to https or http.",
    "allow": "holds '10.0.0.0/33', which is not an IPv4 network. Write it as 10.1.0.0/16 or 10.1.2.3/32:5432.",
    "connections_per_address": "is '0'. Set it to a number from 1 to 1000000.",
    "trusted_proxies": "holds '10.0.0.1/8', which is not a network. Write it as 10.1.0.0/16, 10.1.2.3 or 2001:db8:1::/48.",
    "stop_grace_s": "is '29'. Set it to a number from 30 to 600.",
    "docker_host": "is 'unix://relative.sock', which is not the address of a Docker daemon. Write it as unix:///var/run/docker.sock.",
    "ingress_host": "is '10.0.0', which is not an IPv4 address. Write it as 127.0.0.1.",
    "queues": "holds 'mail', which is not a queue. Choose among builds, rollouts, nodes, periodic.",
}
SECRETS = {"postgres.password": "pg-secret", "valkey.password": "vk-secret", "traefik.token": "tk-secret"}


@pytest.fixture
def home(tmp_path):
    (tmp_path / "keys").mkdir()
    for name, secret in SECRETS.items():
        (tmp_path / "keys" / name).write_text(f"{secret}\n")
    (tmp_path / "panel.json").write_text(panel_json.write(CHOSEN))
    return tmp_path


def load_with(home: Path, **variables: str) -> Settings:
    return load({"SKYPANEL_HOME": str(home), **variables})


def test_loads_what_was_chosen_and_the_keys(home):
    settings = load_with(home)
    assert settings.address == Address("localhost", 2222, 8080, 8443)
    assert (settings.web_port, settings.traefik_port, settings.git_port, settings.allow) == (20001, 20002, 20003, ("10.0.0.1/32:53",))
    assert settings.encryption_keys_file == home / "keys" / "encryption.keys"
    assert settings.panel_uid == home.stat().st_uid
    assert settings.database_dsn == "postgresql://skypanel:pg-secret@/skypanel?host=/run/skypanel/0a1b2c3d"
    assert settings.valkey_url == "unix://:vk-secret@/run/skypanel/0a1b2c3d/valkey.sock"
    assert settings.broker_url == "redis+socket://:vk-secret@/run/skypanel/0a1b2c3d/valkey.sock"
    assert set(QUEUES) == {*Job, PERIODIC}


def test_paths_lie_in_the_home_or_the_run_folder(home):
    settings = load_with(home)
    assert {settings.objects.parent, settings.repositories.parent, settings.spool.parent, settings.logs.parent} == {home}
    assert [key.name for key in settings.ssh_host_keys] == ["ssh_host_ed25519", "ssh_host_ecdsa", "ssh_host_rsa"]
    assert settings.launcher_socket == Path("/run/skypanel/0a1b2c3d/launcher.sock")


def test_the_environment_counts_before_what_was_kept(home):
    settings = load_with(home, SKYPANEL_DOMAIN="Apps.Example.COM.", SKYPANEL_SSH_PORT="22", SKYPANEL_ALLOW="")
    assert settings.address == Address("apps.example.com", 22, 8080, 8443)
    assert settings.allow == ()


def test_no_secret_shows_in_its_repr(home):
    shown = repr(load_with(home))
    assert not [secret for secret in SECRETS.values() if secret in shown]


def test_a_missing_panel_is_not_found(tmp_path):
    with pytest.raises(NotFound, match=r"no panel in .* Start one with `skypanel up`"):
        load_with(tmp_path / "nowhere")


def test_a_home_of_a_newer_version_is_refused(home):
    newer = {**json.loads(panel_json.write(CHOSEN)), "version": 2}
    (home / "panel.json").write_text(json.dumps(newer))
    with pytest.raises(Invalid, match="newer SkyPanel"):
        load_with(home)


@pytest.mark.parametrize(
    "wrong",
    [
        {"uid_base": 0},
        {"uid_base": (1 << 20) + 1},
        {"uid_base": None},
        {"subnet": "0.0.0.0/0"},
        {"subnet": "8.8.0.0/18"},
        {"allow": ["--panel-uid", "0"]},
        {"allow": None},
        {"connections_per_address": 0},
        {"trusted_proxies": ["fd00::%} accept/64"]},
        {"domain": "a\x1b[2J"},
        {"http_port": 0},
        {"web_port": "80@example.com"},
        {"version": None},
    ],
)
def test_what_init_would_not_have_chosen_is_refused(home, wrong):
    (home / "panel.json").write_text(json.dumps({**json.loads(panel_json.write(CHOSEN)), **wrong}))
    with pytest.raises(Invalid):
        load_with(home)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "{"])
def test_a_damaged_file_is_told(home, text):
    (home / "panel.json").write_text(text)
    with pytest.raises(Invalid, match=r"panel\.json is damaged"):
        load_with(home)


def test_a_secret_of_somebody_else_is_not_read(home):
    with pytest.raises(Invalid, match="does not belong to the panel's user"):
        _secret(home, "valkey.password", home.stat().st_uid + 1)


def test_each_variable_has_examples():
    assert EXAMPLES.keys() == settings_of(Variables).keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_variable_is_at_its_default_until_something_is_said(home, name):
    typed, value, _ = EXAMPLES[name]
    setting = settings_of(Variables)[name]
    assert getattr(Variables(), name) == setting.default
    assert getattr(load_with(home, **{setting.key: typed}), name) == value
    assert from_environment({setting.key: " "}) == ({name: ()} if setting.default == () else {})


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, (_, _, wrong) in EXAMPLES.items() for text in wrong])
def test_each_variable_is_refused_by_name_with_what_it_may_be(name, text):
    with pytest.raises(Invalid, match=f"^SKYPANEL_{name.upper()} (is|holds) .*[.]$") as refused:
        from_environment({f"SKYPANEL_{name.upper()}": text})
    assert refused.value.hint


@pytest.mark.parametrize(("name", "words"), REFUSALS.items())
def test_a_refusal_says_what_is_wrong_and_what_it_may_be(name, words):
    with pytest.raises(Invalid) as refused:
        from_environment({f"SKYPANEL_{name.upper()}": EXAMPLES[name][2][0]})
    assert str(refused.value) == f"SKYPANEL_{name.upper()} {words}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_variable_is_kept_and_a_home_of_before_there_was_one_is_read(name):
    chosen = replace(CHOSEN, **{name: EXAMPLES[name][1]})
    assert panel_json.read(panel_json.write(chosen)) == chosen
    before = json.loads(panel_json.write(chosen))
    del before[name]
    assert panel_json.read(json.dumps(before)) == replace(CHOSEN, **{name: settings_of(Variables)[name].default})


def test_the_first_home_there_was_is_read():
    fields = {"version": 1, "domain": "apps.example.com", "ssh_port": 22, "http_port": 80, "https_port": 443, "allow": ["10.0.0.1/32:53"]}
    picked = {"run_dir": "/run/skypanel/0a1b2c3d", "web_port": 20001, "traefik_port": 20002, "uid_base": 1 << 20, "subnet": "10.9.64.0/18"}
    read = panel_json.read(json.dumps({**fields, **picked}))
    assert read == replace(CHOSEN, domain="apps.example.com", ssh_port=22, http_port=80, https_port=443, git_port=0)


def test_what_a_panel_was_told_is_in_its_file_and_no_secret(home):
    told = json.loads(panel_json.write(load_with(home)))
    assert set(told) - settings_of(Variables).keys() == {
        *("version", "run_dir", "web_port", "traefik_port", "git_port", "ingress_port", "ingress_api_port", "uid_base", "subnet")
    }


def test_a_setting_is_one_row():
    @dataclass(frozen=True, kw_only=True)
    class More(Variables):
        colour: str = variable("red", readers.one_of("red", "blue"), "The colour of the door.")

    assert More(**from_environment({}, More)).colour == "red"
    assert More(**from_environment({"SKYPANEL_COLOUR": "blue"}, More)).colour == "blue"
    with pytest.raises(Invalid, match=r"^SKYPANEL_COLOUR is 'green'\. Set it to red or blue\.$"):
        from_environment({"SKYPANEL_COLOUR": "green"}, More)
    assert settings_of(More)["colour"].meaning == "The colour of the door."


def test_each_variable_is_declared_once_and_used():
    folders = ("skypanel", "web", "workers", "gitreceiver")
    texts = {path: path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")}
    declaration = ast.walk(ast.parse(texts.pop(ROOT / "skypanel/settings/declaration.py")))
    declared = [node.target.id for node in declaration if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call)]
    # Parsing all files takes seconds.
    used = {name for text in texts.values() for name in re.findall(r"\.([a-z0-9_]+)", text)}
    for name in (*settings_of(Variables), *settings_of(WorkerVariables)):
        assert declared.count(name) == 1
        assert name in used


def test_the_documents_list_the_settings_as_they_are_declared():
    for page in (ROOT / "docs").glob("*.md"):
        assert page.read_text() == with_tables(page.read_text()), "make docs"
    listed = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    assert [name for name, table in tables().items() if table not in listed] == []
    assert all(setting.meaning.endswith(".") for setting in (*VARIABLES, *settings_of(WorkerVariables).values()))


@given(st.integers(1, MAX_PORT))
def test_every_port_is_taken(port):
    assert from_environment({"SKYPANEL_SSH_PORT": f" {port} "}) == {"ssh_port": port}


def test_ports_must_differ(home):
    with pytest.raises(Invalid, match="cannot share a port"):
        load_with(home, SKYPANEL_HTTP_PORT="8443")


def test_the_home_is_absolute(tmp_path):
    assert home_folder({"SKYPANEL_HOME": "some/home"}) == Path.cwd() / "some/home"
    assert home_folder({}).is_absolute()


ELSEWHERE = {
    "SKYPANEL_DATABASE_URL": "postgresql://skypanel:pg-secret@10.0.0.1/skypanel",
    "SKYPANEL_REDIS_URL": "redis://:vk-secret@10.0.0.1:6379/0",
    "SKYPANEL_ENCRYPTION_KEYS": "key-one, key-two",
}


def test_a_worker_elsewhere_needs_the_environment_alone():
    loaded = of_worker({**ELSEWHERE, "SKYPANEL_DOMAIN": "apps.example.com", "SKYPANEL_QUEUES": "builds"})
    assert loaded.database_dsn == ELSEWHERE["SKYPANEL_DATABASE_URL"]
    assert loaded.valkey_url == loaded.broker_url == ELSEWHERE["SKYPANEL_REDIS_URL"]
    assert loaded.encryption_keys == ("key-one", "key-two")
    assert (loaded.address.domain, loaded.queues) == ("apps.example.com", ("builds",))
    assert not [secret for secret in ("pg-secret", "vk-secret", "key-one") if secret in repr(loaded)]


@pytest.mark.parametrize("missing", ["SKYPANEL_REDIS_URL", "SKYPANEL_ENCRYPTION_KEYS"])
def test_a_worker_elsewhere_says_what_is_missing(missing):
    with pytest.raises(Invalid, match=f"{missing} not"):
        of_worker({**ELSEWHERE, missing: " "})


def test_a_worker_elsewhere_is_told_which_panel_it_works_for():
    assert of_worker({**ELSEWHERE, IDENTITY: "0123abcd"}).identity == "0123abcd"
    with pytest.raises(Invalid, match="This worker has no panel"):
        assert of_worker(ELSEWHERE).identity


def test_a_panels_own_processes_know_its_identity_by_its_home(home):
    assert load_with(home).identity == identity(load_with(home).home)


@pytest.mark.parametrize(("queues", "bound"), [("", "rollouts and periodic"), ("builds,rollouts", "rollouts")])
def test_a_worker_elsewhere_leaves_a_swarms_rollouts_to_the_panel(queues, bound):
    with pytest.raises(Invalid, match=f"On a Swarm, {bound} run only on the panel's own machine"):
        of_worker({**ELSEWHERE, "SKYPANEL_ENGINE": "swarm", "SKYPANEL_QUEUES": queues})
    assert of_worker({**ELSEWHERE, "SKYPANEL_ENGINE": "swarm", "SKYPANEL_QUEUES": "builds,nodes"}).queues == ("builds", "nodes")


def test_a_worker_without_a_database_of_its_own_is_the_homes(home):
    assert of_worker({"SKYPANEL_HOME": str(home)}) == load_with(home)


@pytest.mark.parametrize(
    ("domain", "dashboard", "url"),
    [
        ("localhost", "", "http://skypanel.localhost:8080/"),
        ("panel.localhost", "", "http://skypanel.panel.localhost:8080/"),
        ("localhost", "https", "https://skypanel.localhost:8443/"),
        ("apps.example.com", "", "https://skypanel.apps.example.com:8443/"),
        ("notlocalhost", "", "https://skypanel.notlocalhost:8443/"),
        ("apps.example.com", "http", "http://skypanel.apps.example.com:8080/"),
    ],
)
def test_the_dashboard_is_there_by_https_wherever_names_lead_to_other_machines(home, domain, dashboard, url):
    assert load_with(home, SKYPANEL_DOMAIN=domain, SKYPANEL_DASHBOARD=dashboard).address.dashboard_url() == url
