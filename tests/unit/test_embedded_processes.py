import shlex
from configparser import ConfigParser
from dataclasses import replace
from importlib import import_module
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from skypanel.domain.routing import PROXY_TOKEN_HEADER
from skypanel.embedded import processes, running
from skypanel.embedded.processes import PANEL, PROXY, STORAGE, Binaries
from skypanel.embedded.users import User, argv_as, caller
from skypanel.host.connection_limit import ConnectionLimit
from skypanel.launcher.options import parse_options
from skypanel.ports.queue import QUEUES
from skypanel.settings import Settings

BINARIES = Binaries(Path("/env/bin/python"), Path("/env/pg/bin"), Path("/env/valkey-server"), Path("/env/bin/traefik"))
SETTINGS = Settings(
    home=Path("/home/of/the panel"),
    run_dir=Path("/run/skypanel/0a1b2c3d"),
    web_port=20001,
    traefik_port=20002,
    git_port=20003,
    uid_base=1 << 20,
    subnet=IPv4Network("10.9.64.0/18"),
    allow=(),
    panel_uid=999,
    panel_gid=998,
    database_password="pg-secret",
    valkey_password="vk-secret",
    traefik_token="tk-secret",
)
SECRETS = ("pg-secret", "vk-secret", "tk-secret")


def parsed(settings=SETTINGS):
    config = ConfigParser()
    config.read_string(processes.files(settings, BINARIES)["supervisord.conf"])
    return config


def test_every_program_is_bound_to_supervisord_and_runs_as_it_is_meant():
    config = parsed()
    for program in processes.programs(SETTINGS, BINARIES):
        section = config[f"program:{program.name}"]
        bound = [] if program.is_own else ["setpriv", "--pdeathsig", program.stop_signal, "--"]
        assert shlex.split(section["command"]) == [*bound, *program.argv]
        assert section["autorestart"] == "true"
        assert section["stdout_logfile"] == f"/home/of/the panel/logs/panel/{program.name}.log"


def test_the_storage_starts_first_and_stops_last():
    config = parsed()
    assert config["group:storage"]["programs"] == "postgres,valkey"
    assert config["group:panel"]["programs"] == "receiver,web,worker,schedule,shipper"
    assert config.getint("group:storage", "priority") < config.getint("group:panel", "priority")
    autostarted = {name for name in config if name.startswith("program:") and config.getboolean(name, "autostart")}
    # The proxy too: it has something to say to visitors as soon as there are any.
    assert autostarted == {"program:postgres", "program:valkey", "program:traefik"}
    assert {program.group for program in processes.programs(SETTINGS, BINARIES)} == {STORAGE, PANEL, PROXY}


def test_what_dynos_print_is_collected_where_docker_runs_them():
    config = parsed(replace(SETTINGS, engine="swarm"))
    assert config["group:panel"]["programs"] == "receiver,web,worker,schedule,shipper,collector"
    assert config["program:collector"]["command"].endswith("-m workers.collector")


def test_the_proxy_ends_no_upload_and_no_answer_by_its_own_patience():
    """A build may be silent for ten minutes, an upload may take as long: the time to read is for headers (test_proxy_plugin.py)."""
    config = processes.traefik_config(SETTINGS)
    for name in ("web", "websecure"):
        assert config["entryPoints"][name]["transport"]["respondingTimeouts"] == {"readTimeout": "20s"}
    # By default it writes, and waits for the head of an answer, without a limit.
    assert "serversTransport" not in config


def test_no_secret_is_in_an_argv():
    argvs = [program.argv for program in processes.programs(SETTINGS, BINARIES)]
    argvs += [processes.launcher_argv(SETTINGS, BINARIES, 9500), processes.initdb_argv(SETTINGS, BINARIES, Path("/new"))]
    assert not [part for argv in argvs for part in argv for secret in SECRETS if secret in part]


def test_what_the_panel_itself_is_made_of_is_forked_off_supervisord():
    own = {program.name: program for program in processes.programs(replace(SETTINGS, engine="swarm"), BINARIES) if program.is_own}
    assert set(own) == {"receiver", "web", "worker", "schedule", "shipper", "collector"}
    for name in ("worker", "schedule", "shipper", "collector"):
        assert name not in processes.LISTEN_TO_ALL
    for program in own.values():
        assert program.stop_signal == "TERM"
        assert callable(import_module(processes.OWN[program.argv[2]]).main)


def test_the_worker_serves_every_queue_and_nothing_periodic_where_deploys_are():
    argv = processes.worker_argv(BINARIES)
    assert argv[1:] == ("-m", "workers.run", "--name", "worker", "--deploys", "builds,rollouts,nodes", "--schedule", "periodic,billing")
    assert {*["builds", "rollouts", "nodes", "periodic"]} == set(QUEUES)
    assert processes.worker_names() == {"deploys": "worker", "schedule": "worker-schedule"}


def test_postgres_and_valkey_listen_on_sockets_alone():
    argv = processes.postgres_argv(SETTINGS, BINARIES)
    assert "listen_addresses=" in argv
    assert argv[argv.index("-k") + 1] == "/run/skypanel/0a1b2c3d"
    lines = processes.valkey_config(SETTINGS).splitlines()
    assert {"port 0", "unixsocket /run/skypanel/0a1b2c3d/valkey.sock", "requirepass vk-secret"} <= set(lines)


def test_traefik_calls_nobody_and_leaves_paths_as_they_are():
    config = processes.traefik_config(SETTINGS)
    assert config["global"] == {"checkNewVersion": False, "sendAnonymousUsage": False}
    assert "accessLog" not in config
    assert config["entryPoints"]["web"]["address"] == ":8080"
    assert config["entryPoints"]["websecure"]["address"] == ":8443"
    assert config["entryPoints"]["internal"]["address"] == "127.0.0.1:20002"
    for name in ("web", "websecure"):
        entry_point = config["entryPoints"][name]
        assert (entry_point["http"]["sanitizePath"], entry_point["http"]["aliasHeadersStrategy"]) == (False, "delete")
    provider = config["providers"]["plugin"]["follow"]
    assert (provider["header"], provider["token"]) == (PROXY_TOKEN_HEADER, "tk-secret")


def test_traefiks_api_is_on_the_internal_entry_point_behind_the_token():
    router = processes.proxy_config(SETTINGS)["http"]["routers"]["api"]
    assert router == {"entryPoints": ["internal"], "rule": f"Header(`{PROXY_TOKEN_HEADER}`, `tk-secret`)", "service": "api@internal"}


def test_the_proxy_tells_which_routes_it_uses_behind_the_token():
    config = processes.proxy_config(SETTINGS)["http"]
    assert config["routers"]["used"] == {
        "entryPoints": ["internal"],
        "rule": f"Header(`{PROXY_TOKEN_HEADER}`, `tk-secret`) && PathPrefix(`/routes/`)",
        "middlewares": ["used"],
        "service": "noop@internal",
    }
    assert config["middlewares"]["used"]["plugin"]["forward"]["tells"]


def test_the_launchers_argv_names_all_that_is_allowed():
    argv = processes.launcher_argv(replace(SETTINGS, allow=("10.1.0.0/16", "10.2.0.1/32:53")), BINARIES, 9500)
    assert argv[-3:] == ("--allow", "10.1.0.0/16", "10.2.0.1/32:53")
    assert "--allow" not in processes.launcher_argv(SETTINGS, BINARIES, 9500)


def test_the_launcher_and_the_proxy_are_told_of_the_public_ports():
    settings = replace(SETTINGS, connections_per_address=20, trusted_proxies=("10.1.2.3/32", "fd00::/64"))
    bounds = ("--connections-per-address", "20", "--connections", "9500")
    told = ("--public-ports", "8080", "8443", *bounds, "--trusted-proxies", "10.1.2.3/32", "fd00::/64")
    assert processes.launcher_argv(settings, BINARIES, 9500)[-len(told) :] == told
    assert parse_options(processes.launcher_argv(settings, BINARIES, 9500)[3:]).connection_limit == ConnectionLimit(
        (8080, 8443), 20, 9500, (IPv4Network("10.1.2.3/32"), IPv6Network("fd00::/64"))
    )
    behind = processes.launcher_argv(replace(settings, proxy_protocol=("198.51.100.0/24",)), BINARIES, 9500)
    assert behind[-4:] == ("--trusted-proxies", "10.1.2.3/32", "fd00::/64", "198.51.100.0/24")
    entry_points = processes.traefik_config(settings)["entryPoints"]
    assert {name: each.get("forwardedHeaders") for name, each in entry_points.items()} == {
        "web": {"trustedIPs": ["10.1.2.3/32", "fd00::/64"], "notAppendXForwardedFor": True},
        "websecure": {"trustedIPs": ["10.1.2.3/32", "fd00::/64"], "notAppendXForwardedFor": True},
        "internal": None,
    }


@pytest.mark.parametrize("low", [{"http_port": 80}, {"ssh_port": 22}, {"https_port": 443}, {"rendezvous_port": 444}])
def test_low_ports_are_for_those_alone_who_listen_on_public_ports(low):
    settings = replace(SETTINGS, **low)
    keeps = {
        program.name
        for program in processes.programs(settings, BINARIES)
        if not program.is_own and "-all" not in parsed(settings)[f"program:{program.name}"]["command"]
    }
    assert keeps == {"traefik"}
    another = User(caller().uid + 1, caller().gid + 1)
    assert "+net_bind_service" in running.supervisord_argv(settings, another)
    assert "+net_bind_service" not in running.supervisord_argv(SETTINGS, another)


def test_another_user_gives_up_every_way_back():
    me = caller()
    assert argv_as(me, ("id",)) == ("setpriv", "--pdeathsig", "TERM", "--", "id")
    assert argv_as(me, ("id",), die_with_parent=False) == ("id",)
    other = argv_as(User(me.uid + 1, me.gid + 1), ("id",))
    assert {"--reuid", "--regid", "--init-groups", "--no-new-privs"} <= set(other)


def test_a_worker_with_fewer_queues_has_fewer_processes_and_the_schedule_only_if_it_is_its():
    assert processes.worker_argv(BINARIES, ("builds",))[-2:] == ("--deploys", "builds")
    assert processes.worker_names(("builds",)) == {"deploys": "worker"}
    assert processes.worker_argv(BINARIES, ("periodic",), "other")[-4:] == ("--name", "other", "--schedule", "periodic,billing")
    assert processes.worker_names(("periodic",), "other") == {"schedule": "other-schedule"}
    names = {program.name for program in processes.programs(replace(SETTINGS, queues=("periodic",)), BINARIES)}
    assert "schedule" in names
    assert "worker" not in names
