"""The environment variables a panel knows, and the rules for their values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable
from skypanel.domain.proxies import parse_network
from skypanel.domain.routing import Address
from skypanel.host.connection_limit import CONNECTIONS_PER_ADDRESS

MAX_PORT = 65535
PERIODIC = "periodic"
QUEUES = ("builds", "rollouts", "nodes", PERIODIC)
# Whoever has the schedule bills too.
BILLING = "billing"
MAX_DOMAIN_LENGTH = 190  # with an app's name before it and a dot, well below DNS's 253 (RFC 1035)

SCHEMES = ("https", "http")
ENGINES = ("embedded", "swarm")
ENDPOINT_MODES = ("dnsrr", "vip")
DEFAULT_DOCKER_HOST = "unix:///var/run/docker.sock"
DEFAULT_INGRESS_HOST = "127.0.0.1"
MAX_CONNECTIONS_PER_ADDRESS = 1_000_000

_DOCKER_HOST = re.compile(r"unix://(/[A-Za-z0-9._@-]+)+|tcp://[A-Za-z0-9.-]+:[0-9]{1,5}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True)
class Variable:
    """An environment variable: its name, its default in words, and what it is for."""

    name: str
    default: str
    sentence: str


VARIABLES = (
    Variable("SKYPANEL_HOME", "/var/lib/skypanel for root, else .skypanel", "The folder that holds everything of one panel."),
    Variable("SKYPANEL_DOMAIN", "localhost", "The parent of all app hostnames; the dashboard is at skypanel.<domain>."),
    Variable("SKYPANEL_SSH_PORT", "2222", "The port for git over SSH, on all interfaces."),
    Variable("SKYPANEL_HTTP_PORT", "8080", "The port for HTTP, on all interfaces."),
    Variable("SKYPANEL_HTTPS_PORT", "8443", "The port for HTTPS, on all interfaces."),
    Variable("SKYPANEL_RENDEZVOUS_PORT", "8444", "The port at which `heroku run` meets its dyno, by TLS, on all interfaces."),
    Variable(
        "SKYPANEL_DASHBOARD",
        "https, or http under localhost",
        "Whether the dashboard is there by https alone, or by http too: where a proxy before the panel ends TLS.",
    ),
    Variable(
        "SKYPANEL_ALLOW",
        "nothing",
        "Private networks that builds and apps may reach all the same: IPv4 networks with or without a port, "
        "separated by commas, such as 10.1.0.0/16,192.168.7.2/32:5432.",
    ),
    Variable(
        "SKYPANEL_CONNECTIONS_PER_ADDRESS",
        str(CONNECTIONS_PER_ADDRESS),
        "How many connections one source address, of IPv6 one /64, may hold open at the ports for HTTP and HTTPS.",
    ),
    Variable(
        "SKYPANEL_TRUSTED_PROXIES",
        "nothing",
        "Networks of proxies before the panel, separated by commas, such as 10.1.2.3,2001:db8:1::/48: "
        "their connections are not counted, and what they say in X-Forwarded-* is believed.",
    ),
    Variable("SKYPANEL_ENGINE", "embedded", "What runs apps: embedded (sandboxes of this machine) or swarm (Docker Swarm)."),
    Variable("SKYPANEL_DOCKER_HOST", "unix:///var/run/docker.sock", "The Docker daemon of a manager of the Swarm."),
    Variable("SKYPANEL_INGRESS_HOST", "127.0.0.1", "The address of the manager's machine at which the panel reaches its ingress."),
    Variable("SKYPANEL_ENDPOINT_MODE", "dnsrr", "How services on a Swarm have names: dnsrr, or vip where the kernels have IP_VS."),
    Variable(
        "SKYPANEL_QUEUES",
        ", ".join(QUEUES),
        "What the worker here works on, separated by commas: where workers on other machines do the rest, it may be less.",
    ),
)
# What a worker on another machine knows instead of a home; secrets, so that no unit file or panel.json gets them.
WORKER_VARIABLES = (
    Variable("SKYPANEL_DATABASE_URL", "none", "The panel's Postgres: postgresql://user:password@host/database."),
    Variable("SKYPANEL_REDIS_URL", "none", "The panel's Redis or Valkey: redis://:password@host:6379/0, or rediss:// for TLS."),
    Variable("SKYPANEL_ENCRYPTION_KEYS", "none", "The lines of the panel's keys/encryption.keys, separated by commas."),
)
DEFAULT_ADDRESS = Address(domain="localhost", ssh_port=2222, http_port=8080, https_port=8443)


@dataclass(frozen=True)
class Given:
    """What the environment says; None where it says nothing."""

    domain: str | None = None
    ssh_port: int | None = None
    http_port: int | None = None
    https_port: int | None = None
    rendezvous_port: int | None = None
    dashboard: str | None = None
    allow: tuple[str, ...] | None = None
    engine: str | None = None
    docker_host: str | None = None
    ingress_host: str | None = None
    endpoint_mode: str | None = None
    queues: tuple[str, ...] | None = None
    connections_per_address: int | None = None
    trusted_proxies: tuple[str, ...] | None = None

    def address(self, kept: Address) -> Address:
        """Return the panel's address: what is given, else what was kept. Raises Invalid if two ports are one."""
        address = Address(
            self.domain or kept.domain,
            self.ssh_port or kept.ssh_port,
            self.http_port or kept.http_port,
            self.https_port or kept.https_port,
            self.rendezvous_port or kept.rendezvous_port,
            self.dashboard or kept.dashboard,
        )
        if len(set(address.ports)) < len(address.ports):
            raise Invalid(
                f"SSH, HTTP, HTTPS and the rendezvous cannot share a port ({', '.join(map(str, address.ports))}).",
                "Set SKYPANEL_SSH_PORT, SKYPANEL_HTTP_PORT, SKYPANEL_HTTPS_PORT and SKYPANEL_RENDEZVOUS_PORT to four different ports.",
            )
        return address


def read_given(environ: Mapping[str, str]) -> Given:
    """Check and return what the environment says. Raises Invalid, with the variable's name and what it may be."""
    return Given(
        domain=_domain(environ, "SKYPANEL_DOMAIN"),
        ssh_port=_port(environ, "SKYPANEL_SSH_PORT"),
        http_port=_port(environ, "SKYPANEL_HTTP_PORT"),
        https_port=_port(environ, "SKYPANEL_HTTPS_PORT"),
        rendezvous_port=_port(environ, "SKYPANEL_RENDEZVOUS_PORT"),
        dashboard=_one_of(environ, "SKYPANEL_DASHBOARD", SCHEMES),
        allow=_networks(environ, "SKYPANEL_ALLOW"),
        engine=_one_of(environ, "SKYPANEL_ENGINE", ENGINES),
        docker_host=_docker_host(environ, "SKYPANEL_DOCKER_HOST"),
        ingress_host=_address(environ, "SKYPANEL_INGRESS_HOST"),
        endpoint_mode=_one_of(environ, "SKYPANEL_ENDPOINT_MODE", ENDPOINT_MODES),
        queues=_queues(environ, "SKYPANEL_QUEUES"),
        connections_per_address=_count(environ, "SKYPANEL_CONNECTIONS_PER_ADDRESS", MAX_CONNECTIONS_PER_ADDRESS),
        trusted_proxies=_proxies(environ, "SKYPANEL_TRUSTED_PROXIES"),
    )


def _port(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    if not _is_number(text, MAX_PORT):
        raise Invalid(f"{name} is {printable(text)}, which is no port.", f"Set it to a number from 1 to {MAX_PORT}.")
    return int(text)


def _count(environ: Mapping[str, str], name: str, most: int) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    if not _is_number(text, most):
        raise Invalid(f"{name} is {printable(text)}.", f"Set it to a number from 1 to {most}.")
    return int(text)


def _is_number(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most


def _one_of(environ: Mapping[str, str], name: str, known: Sequence[str]) -> str | None:
    text = environ.get(name, "").strip()
    if text and text not in known:
        raise Invalid(f"{name} is {printable(text)}.", f"Set it to {' or '.join(known)}.")
    return text or None


def _address(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "").strip()
    try:
        return str(IPv4Address(text)) if text else None
    except ValueError as error:
        raise Invalid(f"{name} is {printable(text)}, which is no IPv4 address.", "Write it as 127.0.0.1.") from error


def _docker_host(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "").strip()
    if text and not _DOCKER_HOST.fullmatch(text):
        raise Invalid(f"{name} is {printable(text)}, where no Docker daemon can be.", f"Write it as {DEFAULT_DOCKER_HOST}.")
    return text or None


def _domain(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "").strip().lower().rstrip(".")
    if not text:
        return None
    if not _DOMAIN.fullmatch(text) or len(text) > MAX_DOMAIN_LENGTH:
        raise Invalid(f"{name} is {printable(text)}, which is no domain.", "Set it to a domain such as localhost or apps.example.com.")
    return text


def _networks(environ: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    if name not in environ:
        return None
    return tuple(_network(part.strip(), name) for part in environ[name].split(",") if part.strip())


def _network(text: str, name: str) -> str:
    network, colon, port = text.partition(":")
    try:
        checked = str(IPv4Network(network))
    except ValueError as error:
        raise _no_network(text, name) from error
    if not colon:
        return checked
    if not port:
        raise _no_network(text, name)
    return f"{checked}:{_port({name: port}, name)}"


def _proxies(environ: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    if name not in environ:
        return None
    return tuple(_proxy(part.strip(), name) for part in environ[name].split(",") if part.strip())


def _proxy(text: str, name: str) -> str:
    try:
        return str(parse_network(text))
    except ValueError as error:
        wrong = f"{name} holds {printable(text)}, which is no network."
        raise Invalid(wrong, "Write it as 10.1.0.0/16, 10.1.2.3 or 2001:db8:1::/48.") from error


def _queues(environ: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    chosen = tuple(dict.fromkeys(part.strip() for part in environ.get(name, "").split(",") if part.strip()))
    unknown = [part for part in chosen if part not in QUEUES]
    if unknown:
        raise Invalid(f"{name} holds {printable(unknown[0])}, which is no queue.", f"Choose among {', '.join(QUEUES)}.")
    return chosen or None


def _no_network(text: str, name: str) -> Invalid:
    return Invalid(f"{name} holds {printable(text)}, which is no IPv4 network.", "Write it as 10.1.0.0/16 or 10.1.2.3/32:5432.")
