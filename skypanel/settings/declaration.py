"""The settings that a process needs before it reaches the database. Each is declared here, once.

Fields made by `variable` are environment variables: `docker_host` is SKYPANEL_DOCKER_HOST. The code that loads, stores,
passes on and documents settings iterates over the fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from skypanel.domain.engine import EndpointMode, EngineKind
from skypanel.domain.errors import Invalid
from skypanel.domain.manifest import STOP_GRACE_S
from skypanel.domain.routing import DEFAULT_RENDEZVOUS_PORT, Address
from skypanel.domain.setting import Setting
from skypanel.host.connection_limit import CONNECTIONS_PER_ADDRESS
from skypanel.host.ranges import parse_subnet, parse_uid_base
from skypanel.ports.queue import QUEUES
from skypanel.settings import readers

MAX_CONNECTIONS_PER_ADDRESS = 1_000_000
MAX_STOP_GRACE_S = 600
PREFIX = "SKYPANEL_"
VARIABLE = "variable"
PICKED = "picked"

T = TypeVar("T")


def variable(default: T, read: Callable[[str], T], meaning: str, *, is_sensitive: bool = False, at_first: str = "") -> T:
    """Declare a field that is set by an environment variable. `read` parses its text."""

    def named(key: str) -> Setting[T]:
        return Setting(key, default, read, meaning, is_sensitive, at_first)

    return field(default=default, repr=not is_sensitive, metadata={VARIABLE: named})


@dataclass(frozen=True, kw_only=True)
class Variables:
    """The settings of an operator, stored in `panel.json`. Raises Invalid if two ports are equal."""

    domain: str = variable("localhost", readers.domain, "The parent domain of all apps; the dashboard is at skypanel.<domain>.")
    ssh_port: int = variable(2222, readers.port, "The port for git over SSH, on all interfaces.")
    http_port: int = variable(8080, readers.port, "The port for HTTP, on all interfaces.")
    https_port: int = variable(8443, readers.port, "The port for HTTPS, on all interfaces.")
    rendezvous_port: int = variable(
        DEFAULT_RENDEZVOUS_PORT, readers.port, "The port on which `heroku run` connects to its dyno, with TLS, on all interfaces."
    )
    dashboard: str = variable(
        "",
        readers.one_of("https", "http"),
        "How the dashboard is served: https, or http too if a proxy in front of the panel terminates TLS.",
        at_first="https, or http under localhost",
    )
    allow: tuple[str, ...] = variable(
        (),
        readers.networks,
        "Private networks that builds and apps may reach: IPv4 networks with or without a port, "
        "separated by commas, such as 10.1.0.0/16,192.168.7.2/32:5432.",
    )
    connections_per_address: int = variable(
        CONNECTIONS_PER_ADDRESS,
        readers.number_up_to(MAX_CONNECTIONS_PER_ADDRESS),
        "How many connections one client address (for IPv6, one /64) may hold open at the HTTP and HTTPS ports.",
    )
    trusted_proxies: tuple[str, ...] = variable(
        (),
        readers.proxies,
        "Networks of proxies in front of the panel, separated by commas, such as 10.1.2.3,2001:db8:1::/48: "
        "their connections are not counted, and what they say in X-Forwarded-* is believed.",
    )
    proxy_protocol: tuple[str, ...] = variable(
        (),
        readers.proxies,
        "Networks of load balancers that begin each connection with the PROXY protocol, version 1 or 2, separated by commas: "
        "the address that they name there is the visitor's, and their connections are not counted.",
    )
    http3: str = variable(
        "off",
        readers.one_of("on", "off"),
        "Whether HTTP/3 is offered: on or off. It needs the HTTPS port to be open for UDP as well.",
    )
    stop_grace_s: int = variable(
        int(STOP_GRACE_S),
        readers.number_between(int(STOP_GRACE_S), MAX_STOP_GRACE_S),
        "How many seconds a dyno has from SIGTERM to SIGKILL, from 30 to 600. "
        "A WebSocket or another long response can live that long through a deploy.",
    )
    engine: EngineKind = variable(
        EngineKind.EMBEDDED,
        readers.member_of(EngineKind),
        "What runs apps: embedded (sandboxes of this machine) or swarm (Docker Swarm).",
    )
    docker_host: str = variable("unix:///var/run/docker.sock", readers.docker_daemon, "The Docker daemon of a Swarm manager.")
    ingress_host: str = variable(
        "127.0.0.1", readers.address, "The address of the manager's machine at which the panel reaches its ingress."
    )
    endpoint_mode: EndpointMode = variable(
        EndpointMode.DNSRR,
        readers.member_of(EndpointMode),
        "How DNS resolves services on a Swarm: dnsrr, or vip where the kernels have IP_VS.",
    )
    queues: tuple[str, ...] = variable(
        QUEUES,
        readers.queues,
        "The queues of this machine's worker, separated by commas; workers on other machines can serve the rest.",
    )

    def __post_init__(self) -> None:
        ports = self.address.ports
        if len(set(ports)) < len(ports):
            raise Invalid(
                f"SSH, HTTP, HTTPS and the rendezvous cannot share a port ({', '.join(map(str, ports))}).",
                "Set SKYPANEL_SSH_PORT, SKYPANEL_HTTP_PORT, SKYPANEL_HTTPS_PORT and SKYPANEL_RENDEZVOUS_PORT to four different ports.",
            )

    @property
    def address(self) -> Address:
        """Where users reach the panel."""
        return Address(self.domain, self.ssh_port, self.http_port, self.https_port, self.rendezvous_port, self.dashboard)


@dataclass(frozen=True, kw_only=True)
class WorkerVariables:
    """What a worker on another machine has instead of a home. These are secrets, so no unit file and no `panel.json` gets them."""

    database_url: str = variable("", str, "The panel's Postgres: postgresql://user:password@host/database.", is_sensitive=True)
    redis_url: str = variable(
        "", str, "The panel's Redis or Valkey: redis://:password@host:6379/0, or rediss:// for TLS.", is_sensitive=True
    )
    encryption_keys: tuple[str, ...] = variable(
        (), readers.keys, "The lines of the panel's keys/encryption.keys, separated by commas.", is_sensitive=True
    )


@dataclass(frozen=True, kw_only=True)
class Chosen(Variables):
    """The contents of `panel.json`: the operator's settings, and values that `init` chose so that panels do not collide.

    A port of 0 is not chosen yet.
    """

    run_dir: Path = field(metadata={PICKED: Path})
    web_port: int = field(default=0, metadata={PICKED: int})
    traefik_port: int = field(default=0, metadata={PICKED: int})
    git_port: int = field(default=0, metadata={PICKED: int})
    ingress_port: int = field(default=0, metadata={PICKED: int})
    ingress_api_port: int = field(default=0, metadata={PICKED: int})
    uid_base: int = field(metadata={PICKED: parse_uid_base})
    subnet: IPv4Network = field(metadata={PICKED: parse_subnet})


def settings_of(declared: type[Variables | WorkerVariables]) -> dict[str, Setting[Any]]:
    """Return the environment settings that a class declares, by field name."""
    return {each.name: each.metadata[VARIABLE](f"{PREFIX}{each.name.upper()}") for each in fields(declared) if VARIABLE in each.metadata}


def from_environment(environ: Mapping[str, str], declared: type[Variables | WorkerVariables] = Variables) -> dict[str, Any]:
    """Return the values that the environment sets, by field name. Raises Invalid, with the variable's name and its valid values.

    An empty value counts as unset, except for a setting whose default is an empty list: it clears that list.
    """
    values = {}
    for name, setting in settings_of(declared).items():
        text = environ.get(setting.key, "").strip()
        if text or (setting.key in environ and setting.default == ()):
            values[name] = _read(setting, text)
    return values


def _read(setting: Setting[T], text: str) -> T:
    try:
        return setting.read(text)
    except Invalid as error:
        raise Invalid(f"{setting.key} {error.message}", error.hint) from error


HOME = Setting(
    f"{PREFIX}HOME", "", str, "The folder that holds everything of one panel.", at_first="/var/lib/skypanel for root, else .skypanel"
)
VARIABLES = (HOME, *settings_of(Variables).values())
