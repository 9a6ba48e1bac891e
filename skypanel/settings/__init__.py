"""Where everything of a panel is: all else is in the database, in `paas_settings`."""

from dataclasses import dataclass, field
from pathlib import Path

from skypanel.domain.errors import Invalid
from skypanel.settings.declaration import Chosen, WorkerVariables
from skypanel.settings.paths import identity

SSH_KEY_TYPES = ("ed25519", "ecdsa", "rsa")


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen, WorkerVariables):
    """What was said and chosen, and what is in the home. Paths are absolute; ports listen on 127.0.0.1 but for the address's."""

    home: Path
    panel_uid: int
    panel_gid: int
    database_password: str = field(default="", repr=False)
    valkey_password: str = field(default="", repr=False)
    traefik_token: str = field(default="", repr=False)
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
