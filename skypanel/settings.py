"""What a process needs before it can reach the database: all else is in `paas_settings`.

Three sources, the first that says something counts: the environment, `HOME/panel.json` (what `up`
was last told and what `init` chose), the default. The environment is read here and nowhere else.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from skypanel.domain.errors import Denied, Invalid, NotFound, SkyPanelError
from skypanel.domain.routing import Address
from skypanel.host.connection_limit import CONNECTIONS_PER_ADDRESS
from skypanel.host.ranges import FIRST_UID_BASE, parse_subnet, parse_uid_base
from skypanel.variables import (
    DEFAULT_ADDRESS,
    DEFAULT_DOCKER_HOST,
    DEFAULT_INGRESS_HOST,
    ENDPOINT_MODES,
    ENGINES,
    QUEUES,
    read_given,
)

HOME_VERSION = 1
ENGINE_FIELDS = ("engine", "docker_host", "ingress_host", "endpoint_mode")
LATER_FIELDS = ("rendezvous_port", "dashboard", "connections_per_address", *ENGINE_FIELDS)
LATER_LISTS = ("queues", "trusted_proxies")
ROOT_HOME = Path("/var/lib/skypanel")
ROOT_RUN = Path("/run/skypanel")
NO_SUBNET = IPv4Network("10.0.0.0/18")  # nothing is started where it is this
# By which `python -m workers` tells the worker what the database says of the panel.
IDENTITY = "SKYPANEL_IDENTITY"
# What needs the ingress of a Swarm, or decides about all of its nodes.
BOUND_QUEUES = frozenset({"rollouts", "periodic"})
SSH_KEY_TYPES = ("ed25519", "ecdsa", "rsa")


@dataclass(frozen=True)
class Chosen:
    """What `panel.json` keeps: the public address, and what `init` picked once so that two panels never collide."""

    address: Address
    run_dir: Path
    web_port: int
    traefik_port: int
    uid_base: int
    subnet: IPv4Network
    allow: tuple[str, ...] = ()
    git_port: int = 0  # none yet, in a home of before there was git over HTTP
    engine: str = ENGINES[0]
    docker_host: str = DEFAULT_DOCKER_HOST
    ingress_host: str = DEFAULT_INGRESS_HOST
    endpoint_mode: str = ENDPOINT_MODES[0]
    ingress_port: int = 0  # none yet, in a home of before there was a Swarm
    ingress_api_port: int = 0
    queues: tuple[str, ...] = QUEUES
    connections_per_address: int = CONNECTIONS_PER_ADDRESS
    trusted_proxies: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the contents of `panel.json`."""
        fields = {
            "version": HOME_VERSION,
            "domain": self.address.domain,
            "ssh_port": self.address.ssh_port,
            "http_port": self.address.http_port,
            "https_port": self.address.https_port,
            "rendezvous_port": self.address.rendezvous_port,
            "dashboard": self.address.dashboard,
            "run_dir": str(self.run_dir),
            "web_port": self.web_port,
            "traefik_port": self.traefik_port,
            "git_port": self.git_port,
            "engine": self.engine,
            "docker_host": self.docker_host,
            "ingress_host": self.ingress_host,
            "endpoint_mode": self.endpoint_mode,
            "ingress_port": self.ingress_port,
            "ingress_api_port": self.ingress_api_port,
            "uid_base": self.uid_base,
            "subnet": str(self.subnet),
            "allow": list(self.allow),
            "queues": list(self.queues),
            "connections_per_address": self.connections_per_address,
            "trusted_proxies": list(self.trusted_proxies),
        }
        return json.dumps(fields, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Chosen":
        """Read the contents of `panel.json`. Raises Invalid if this version cannot.

        Root acts on what the panel's user wrote there, so nothing is taken that could not have been chosen.
        """
        try:
            return cls._from_fields(json.loads(text))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Invalid("The home's panel.json is damaged.", "Restore it from a backup.") from error

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Any]) -> "Chosen":
        if fields["version"] > HOME_VERSION:
            raise Invalid(
                f"This home was made by a newer SkyPanel (its format is {fields['version']}, this one reads {HOME_VERSION}).",
                "Update SkyPanel, or set SKYPANEL_HOME to another folder.",
            )
        public = {f"SKYPANEL_{name.upper()}": str(fields[name]) for name in ("domain", "ssh_port", "http_port", "https_port")}
        later = {f"SKYPANEL_{name.upper()}": str(fields.get(name, "")) for name in LATER_FIELDS}
        listed = {f"SKYPANEL_{name.upper()}": ",".join(fields.get(name, ())) for name in LATER_LISTS}
        given = read_given({**public, **later, **listed, "SKYPANEL_ALLOW": ",".join(fields["allow"])})
        return cls(
            address=given.address(DEFAULT_ADDRESS),
            run_dir=Path(fields["run_dir"]),
            web_port=int(fields["web_port"]),
            traefik_port=int(fields["traefik_port"]),
            uid_base=parse_uid_base(fields["uid_base"]),
            subnet=parse_subnet(fields["subnet"]),
            allow=given.allow or (),
            git_port=int(fields.get("git_port", 0)),
            engine=given.engine or ENGINES[0],
            docker_host=given.docker_host or DEFAULT_DOCKER_HOST,
            ingress_host=given.ingress_host or DEFAULT_INGRESS_HOST,
            endpoint_mode=given.endpoint_mode or ENDPOINT_MODES[0],
            ingress_port=int(fields.get("ingress_port", 0)),
            ingress_api_port=int(fields.get("ingress_api_port", 0)),
            queues=given.queues or QUEUES,
            connections_per_address=given.connections_per_address or CONNECTIONS_PER_ADDRESS,
            trusted_proxies=given.trusted_proxies or (),
        )


@dataclass(frozen=True)
class Settings:
    """Where everything of a panel is. Paths are absolute; ports listen on 127.0.0.1 but for the address's."""

    home: Path
    run_dir: Path
    address: Address
    web_port: int
    traefik_port: int
    git_port: int
    uid_base: int
    subnet: IPv4Network
    allow: tuple[str, ...]
    panel_uid: int
    panel_gid: int
    database_password: str = field(repr=False)
    valkey_password: str = field(repr=False)
    traefik_token: str = field(repr=False)
    engine: str = ENGINES[0]
    docker_host: str = DEFAULT_DOCKER_HOST
    ingress_host: str = DEFAULT_INGRESS_HOST
    endpoint_mode: str = ENDPOINT_MODES[0]
    ingress_port: int = 0
    ingress_api_port: int = 0
    queues: tuple[str, ...] = QUEUES
    connections_per_address: int = CONNECTIONS_PER_ADDRESS
    trusted_proxies: tuple[str, ...] = ()
    # Of a worker on another machine, which has no home of the panel's: the database, Redis and keys are elsewhere.
    database_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    panel_identity: str = ""

    @property
    def identity(self) -> str:
        """What tells this panel's containers from another's: its home's, which a worker elsewhere is told. Raises Invalid if it was not."""
        if self.database_url and not self.panel_identity:
            raise Invalid("This worker was not told which panel it works for.", "Start it with `python -m workers`.")
        return self.panel_identity or identity(self.home)

    @property
    def database_dsn(self) -> str:
        """A libpq URI; SQLAlchemy takes it with `postgresql+psycopg2` for its scheme."""
        return self.database_url or f"postgresql://skypanel:{self.database_password}@/skypanel?host={self.run_dir}"

    @property
    def valkey_socket(self) -> Path:
        """Valkey's unix socket; it listens on nothing else."""
        return self.run_dir / "valkey.sock"

    @property
    def valkey_url(self) -> str:
        """The URL for redis-py."""
        return self.redis_url or f"unix://:{self.valkey_password}@{self.valkey_socket}"

    @property
    def broker_url(self) -> str:
        """The URL for Celery."""
        return self.redis_url or f"redis+socket://:{self.valkey_password}@{self.valkey_socket}"

    @property
    def launcher_socket(self) -> Path:
        """Where the launcher listens."""
        return self.run_dir / "launcher.sock"

    @property
    def ingress(self) -> str:
        """Where the Swarm's ingress takes requests for apps from the panel's proxy: host:port."""
        return f"{self.ingress_host}:{self.ingress_port}"

    @property
    def encryption_keys_file(self) -> Path:
        """The Fernet keys, one a line, newest first."""
        return self.home / "keys" / "encryption.keys"

    @property
    def ssh_host_keys(self) -> tuple[Path, ...]:
        """The private host keys, the preferred one first."""
        return tuple(self.home / "keys" / f"ssh_host_{kind}" for kind in SSH_KEY_TYPES)

    @property
    def certificate(self) -> tuple[Path, Path]:
        """The panel's own certificate and its private key, both PEM."""
        return self.home / "keys" / "panel.crt", self.home / "keys" / "panel.key"

    @property
    def objects(self) -> Path:
        """The folder of the object storage."""
        return self.home / "objects"

    @property
    def repositories(self) -> Path:
        """The folder of the bare repositories."""
        return self.home / "repositories"

    @property
    def spool(self) -> Path:
        """The folder of the output spools."""
        return self.home / "spool"

    @property
    def runtimes(self) -> Path:
        """The folder of the interpreters that builds share."""
        return self.home / "runtimes"

    @property
    def scratch(self) -> Path:
        """The folder of what is on its way to object storage elsewhere; its files have no names."""
        return self.home / "scratch"

    @property
    def logs(self) -> Path:
        """The folder of all logs: one an app id, and `panel`."""
        return self.home / "logs"


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return where the panel's home is or is to be."""
    default = ROOT_HOME if os.geteuid() == 0 else Path(".skypanel")
    return Path(environ.get("SKYPANEL_HOME") or default).resolve()


def identity(home: Path) -> str:
    """Return the eight hex digits that tell this home's sockets, networks and groups from another's."""
    return hashlib.sha256(str(home).encode()).hexdigest()[:8]


def root_run_dir(home: Path) -> Path:
    """Return where the sockets are of a panel that root starts."""
    return ROOT_RUN / identity(home)


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings of a panel that was initialized.

    Raises NotFound if there is none, Denied if the caller may not read it, Invalid for a bad value.
    """
    home = home_folder(environ)
    given = read_given(environ)
    try:
        chosen = Chosen.from_json((home / "panel.json").read_text())
        owner = home.stat()
        return Settings(
            home=home,
            # root takes nobody else's word for a folder that it will delete
            run_dir=chosen.run_dir if owner.st_uid == os.geteuid() else root_run_dir(home),
            address=given.address(chosen.address),
            web_port=chosen.web_port,
            traefik_port=chosen.traefik_port,
            git_port=chosen.git_port,
            uid_base=chosen.uid_base,
            subnet=chosen.subnet,
            allow=chosen.allow if given.allow is None else given.allow,
            panel_uid=owner.st_uid,
            panel_gid=owner.st_gid,
            database_password=_secret(home, "postgres.password", owner.st_uid),
            valkey_password=_secret(home, "valkey.password", owner.st_uid),
            traefik_token=_secret(home, "traefik.token", owner.st_uid),
            engine=given.engine or chosen.engine,
            docker_host=given.docker_host or chosen.docker_host,
            ingress_host=given.ingress_host or chosen.ingress_host,
            endpoint_mode=given.endpoint_mode or chosen.endpoint_mode,
            ingress_port=chosen.ingress_port,
            ingress_api_port=chosen.ingress_api_port,
            queues=given.queues or chosen.queues,
            connections_per_address=given.connections_per_address or chosen.connections_per_address,
            trusted_proxies=chosen.trusted_proxies if given.trusted_proxies is None else given.trusted_proxies,
        )
    except OSError as error:
        raise _unreadable(home, error) from error


def of_worker(environ: Mapping[str, str]) -> Settings:
    """Read the settings of a worker: those of this machine's panel, or where a database is named, the environment's alone.

    Raises what `load` raises, and Invalid where something is missing.
    """
    return _elsewhere(environ) if environ.get("SKYPANEL_DATABASE_URL") else load(environ)


def _elsewhere(environ: Mapping[str, str]) -> Settings:
    missing = [name for name in ("SKYPANEL_REDIS_URL", "SKYPANEL_ENCRYPTION_KEYS") if not environ.get(name, "").strip()]
    if missing:
        raise Invalid(f"SKYPANEL_DATABASE_URL is set, but {' and '.join(missing)} not.", "A worker on another machine needs all three.")
    given = read_given(environ)
    _check_work(given.engine or ENGINES[0], given.queues or QUEUES)
    home = Path(environ.get("SKYPANEL_HOME") or f"/var/tmp/skypanel-worker-{os.geteuid()}").resolve()  # noqa: S108 - nobody else's is accepted there
    return Settings(
        home=home,
        run_dir=home / "run",
        address=given.address(DEFAULT_ADDRESS),
        web_port=0,
        traefik_port=0,
        git_port=0,
        uid_base=FIRST_UID_BASE,
        subnet=NO_SUBNET,
        allow=given.allow or (),
        panel_uid=os.geteuid(),
        panel_gid=os.getegid(),
        database_password="",
        valkey_password="",
        traefik_token="",
        engine=given.engine or ENGINES[0],
        docker_host=given.docker_host or DEFAULT_DOCKER_HOST,
        ingress_host=given.ingress_host or DEFAULT_INGRESS_HOST,
        endpoint_mode=given.endpoint_mode or ENDPOINT_MODES[0],
        queues=given.queues or QUEUES,
        database_url=environ["SKYPANEL_DATABASE_URL"].strip(),
        redis_url=environ["SKYPANEL_REDIS_URL"].strip(),
        encryption_keys=tuple(environ["SKYPANEL_ENCRYPTION_KEYS"].replace(",", " ").split()),
        panel_identity=environ.get(IDENTITY, ""),
    )


def _check_work(engine: str, queues: Sequence[str]) -> None:
    """Raise Invalid for work that a machine other than the panel's cannot do."""
    bound = [name for name in queues if engine == "swarm" and name in BOUND_QUEUES]
    if bound:
        raise Invalid(
            f"On a Swarm, {' and '.join(bound)} are worked on by the panel's own machine alone, where the ingress is.",
            f"Set SKYPANEL_QUEUES to {','.join(name for name in QUEUES if name not in BOUND_QUEUES)} or one of them.",
        )


def _secret(home: Path, name: str, owner: int) -> str:
    """Return a secret that the home's owner wrote: a link to another's file would have root tell it to whoever listens."""
    with (home / "keys" / name).open() as file:
        if os.fstat(file.fileno()).st_uid != owner:
            raise Invalid(f"{file.name} is not a file of the panel's own.", "Restore it from a backup, with its owner.")
        return file.read().strip()


def _unreadable(home: Path, error: OSError) -> SkyPanelError:
    if isinstance(error, PermissionError):
        return Denied(f"{error.filename} is not yours to read.", "Run this as the user who started the panel.")
    return NotFound(f"There is no panel in {home}.", "Start one with `skypanel up`, or set SKYPANEL_HOME to where yours is.")
