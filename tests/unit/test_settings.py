import json
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.routing import Address
from skypanel.ports.queue import Job
from skypanel.settings import IDENTITY, QUEUES, Chosen, Settings, _secret, home_folder, identity, load, of_worker
from skypanel.variables import DEFAULT_ADDRESS, MAX_PORT, VARIABLES, WORKER_VARIABLES, Given, read_given

CHOSEN = Chosen(
    DEFAULT_ADDRESS, Path("/run/skypanel/0a1b2c3d"), 20001, 20002, 1 << 20, IPv4Network("10.9.64.0/18"), ("10.0.0.1/32:53",), 20003
)
SECRETS = {"postgres.password": "pg-secret", "valkey.password": "vk-secret", "traefik.token": "tk-secret"}


@pytest.fixture
def home(tmp_path):
    (tmp_path / "keys").mkdir()
    for name, secret in SECRETS.items():
        (tmp_path / "keys" / name).write_text(f"{secret}\n")
    (tmp_path / "panel.json").write_text(CHOSEN.to_json())
    return tmp_path


def load_with(home: Path, **variables: str) -> Settings:
    return load({"SKYPANEL_HOME": str(home), **variables})


def test_loads_what_was_chosen_and_the_keys(home):
    settings = load_with(home)
    assert settings.address == DEFAULT_ADDRESS
    assert (settings.web_port, settings.traefik_port, settings.git_port, settings.allow) == (20001, 20002, 20003, ("10.0.0.1/32:53",))
    assert settings.encryption_keys_file == home / "keys" / "encryption.keys"
    assert settings.panel_uid == home.stat().st_uid
    assert settings.database_dsn == "postgresql://skypanel:pg-secret@/skypanel?host=/run/skypanel/0a1b2c3d"
    assert settings.valkey_url == "unix://:vk-secret@/run/skypanel/0a1b2c3d/valkey.sock"
    assert settings.broker_url == "redis+socket://:vk-secret@/run/skypanel/0a1b2c3d/valkey.sock"
    assert set(QUEUES) == {*Job, "periodic"}


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
    newer = {**json.loads(CHOSEN.to_json()), "version": 2}
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
    (home / "panel.json").write_text(json.dumps({**json.loads(CHOSEN.to_json()), **wrong}))
    with pytest.raises(Invalid):
        load_with(home)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "{"])
def test_a_damaged_file_is_told(home, text):
    (home / "panel.json").write_text(text)
    with pytest.raises(Invalid, match=r"panel\.json is damaged"):
        load_with(home)


def test_a_secret_of_somebody_else_is_not_read(home):
    with pytest.raises(Invalid, match="not a file of the panel's own"):
        _secret(home, "valkey.password", home.stat().st_uid + 1)


def test_a_home_of_before_git_over_http_is_read():
    fields = json.loads(CHOSEN.to_json())
    for name in ("git_port", "connections_per_address", "trusted_proxies"):
        del fields[name]
    assert Chosen.from_json(json.dumps(fields)) == replace(CHOSEN, git_port=0)


def test_chosen_survives_the_file():
    for chosen in (CHOSEN, replace(CHOSEN, connections_per_address=20, trusted_proxies=("10.1.2.3/32", "fd00::/64"))):
        assert Chosen.from_json(chosen.to_json()) == chosen


@pytest.mark.parametrize("text", ["0", "65536", "-1", "80.0", "http", "٨٠", "1e3", "2222x"])
def test_a_bad_port_is_refused_with_its_name(text):
    with pytest.raises(Invalid, match=r"SKYPANEL_HTTP_PORT is .*no port.*from 1 to 65535"):
        read_given({"SKYPANEL_HTTP_PORT": text})


@given(st.integers(1, MAX_PORT))
def test_every_port_is_taken(port):
    assert read_given({"SKYPANEL_SSH_PORT": f" {port} "}) == Given(ssh_port=port)


def test_ports_must_differ():
    with pytest.raises(Invalid, match="cannot share a port"):
        read_given({"SKYPANEL_HTTP_PORT": "8443"}).address(DEFAULT_ADDRESS)


@pytest.mark.parametrize("text", ["a..b", "-a.example", "exa mple", "a_b.example", "http://x", "*.example.com", "x" * 64, "a." * 100])
def test_a_bad_domain_is_refused(text):
    with pytest.raises(Invalid, match=r"SKYPANEL_DOMAIN is .*no domain"):
        read_given({"SKYPANEL_DOMAIN": text})


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.1/8", "example.com", "10.0.0.0/8:0", "fd00::/8", "10.0.0.0/8:"])
def test_a_bad_network_is_refused(text):
    with pytest.raises(Invalid, match="SKYPANEL_ALLOW"):
        assert read_given({"SKYPANEL_ALLOW": text}).allow is not None


def test_networks_are_written_out():
    assert read_given({"SKYPANEL_ALLOW": "10.1.0.0/16, 192.168.7.2:5432,"}).allow == ("10.1.0.0/16", "192.168.7.2/32:5432")


@pytest.mark.parametrize("text", ["0", "1000001", "-1", "1e3", "many", "9" * 5000])
def test_a_number_of_connections_that_is_none_is_refused(text):
    with pytest.raises(Invalid, match=r"SKYPANEL_CONNECTIONS_PER_ADDRESS is .*from 1 to 1000000"):
        read_given({"SKYPANEL_CONNECTIONS_PER_ADDRESS": text})


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example.com", "10.0.0.1:80", "fe80::1%eth0", "fd00::%} accept/64", "fd00::1/129"])
def test_a_proxy_that_is_no_network_is_refused(text):
    with pytest.raises(Invalid, match=r"SKYPANEL_TRUSTED_PROXIES holds .*no network.*10\.1\.0\.0/16"):
        read_given({"SKYPANEL_TRUSTED_PROXIES": f"10.1.2.3,{text}"})


def test_proxies_and_connections_are_kept_until_something_else_is_said(home):
    assert (load_with(home).connections_per_address, load_with(home).trusted_proxies) == (1000, ())
    (home / "panel.json").write_text(replace(CHOSEN, connections_per_address=20, trusted_proxies=("fd00::/64",)).to_json())
    assert (load_with(home).connections_per_address, load_with(home).trusted_proxies) == (20, ("fd00::/64",))
    said = load_with(home, SKYPANEL_CONNECTIONS_PER_ADDRESS="5", SKYPANEL_TRUSTED_PROXIES="10.1.2.3, fd00::/32,")
    assert (said.connections_per_address, said.trusted_proxies) == (5, ("10.1.2.3/32", "fd00::/32"))
    assert load_with(home, SKYPANEL_TRUSTED_PROXIES="").trusted_proxies == ()


def test_empty_values_say_nothing():
    assert read_given({"SKYPANEL_HTTP_PORT": "", "SKYPANEL_DOMAIN": " "}) == Given()


def test_the_home_is_absolute(tmp_path):
    assert home_folder({"SKYPANEL_HOME": "some/home"}) == Path.cwd() / "some/home"
    assert home_folder({}).is_absolute()


def test_each_variable_is_documented_and_explained():
    page = (Path(__file__).parents[2] / "docs/settings.md").read_text()
    for variable in VARIABLES:
        assert f"| `{variable.name}` | {variable.default} | {variable.sentence} |" in page
        assert variable.sentence.endswith(".")


def test_the_engine_is_the_embedded_one_unless_another_is_chosen(home):
    assert (load_with(home).engine, load_with(home).endpoint_mode) == ("embedded", "dnsrr")
    chosen = replace(CHOSEN, engine="swarm", docker_host="unix:///run/docker.sock", endpoint_mode="vip", ingress_port=20004)
    (home / "panel.json").write_text(chosen.to_json())
    settings = load_with(home)
    assert (settings.engine, settings.docker_host, settings.endpoint_mode, settings.ingress_port) == (
        "swarm",
        "unix:///run/docker.sock",
        "vip",
        20004,
    )
    assert load_with(home, SKYPANEL_ENGINE="embedded").engine == "embedded"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SKYPANEL_ENGINE", "kubernetes"),
        ("SKYPANEL_ENDPOINT_MODE", "both"),
        ("SKYPANEL_DOCKER_HOST", "unix://relative.sock"),
        ("SKYPANEL_DOCKER_HOST", "unix:///a b"),
        ("SKYPANEL_DOCKER_HOST", "ssh://host"),
    ],
)
def test_an_engine_that_is_none_is_refused_with_what_it_may_be(name, value):
    with pytest.raises(Invalid, match=name) as refused:
        read_given({name: value})
    assert refused.value.hint


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
    with pytest.raises(Invalid, match="was not told which panel it works for"):
        assert of_worker(ELSEWHERE).identity


def test_a_panels_own_processes_know_its_identity_by_its_home(home):
    assert load_with(home).identity == identity(load_with(home).home)


@pytest.mark.parametrize(("queues", "bound"), [("", "rollouts and periodic"), ("builds,rollouts", "rollouts")])
def test_a_worker_elsewhere_leaves_a_swarms_rollouts_to_the_panel(queues, bound):
    with pytest.raises(Invalid, match=f"On a Swarm, {bound} are worked on by the panel's own machine"):
        of_worker({**ELSEWHERE, "SKYPANEL_ENGINE": "swarm", "SKYPANEL_QUEUES": queues})
    assert of_worker({**ELSEWHERE, "SKYPANEL_ENGINE": "swarm", "SKYPANEL_QUEUES": "builds,nodes"}).queues == ("builds", "nodes")


def test_a_worker_without_a_database_of_its_own_is_the_homes(home):
    assert of_worker({"SKYPANEL_HOME": str(home)}) == load_with(home)


def test_queues_are_chosen_and_kept(home):
    assert load_with(home).queues == QUEUES
    assert load_with(home, SKYPANEL_QUEUES="rollouts, builds,rollouts").queues == ("rollouts", "builds")
    (home / "panel.json").write_text(replace(CHOSEN, queues=("periodic",)).to_json())
    assert load_with(home).queues == ("periodic",)
    with pytest.raises(Invalid, match="no queue"):
        read_given({"SKYPANEL_QUEUES": "builds,mail"})


def test_what_a_worker_elsewhere_needs_is_documented():
    page = (Path(__file__).parents[2] / "docs/nodes.md").read_text()
    for variable in WORKER_VARIABLES:
        assert f"| `{variable.name}` | {variable.sentence} |" in page


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


def test_a_scheme_of_the_dashboard_that_is_none():
    with pytest.raises(Invalid, match=r"SKYPANEL_DASHBOARD is 'ftp'\. Set it to https or http"):
        read_given({"SKYPANEL_DASHBOARD": "ftp"})
