"""The settings that a process needs before it reaches the database. All others are in `paas_settings`."""

from dataclasses import dataclass, field
from pathlib import Path

from skypanel.domain.errors import Invalid
from skypanel.settings.declaration import Chosen, WorkerVariables
from skypanel.settings.paths import identity

SSH_KEY_TYPES = ("ed25519", "ecdsa", "rsa")


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen, WorkerVariables):
    """All settings of a panel's process, and the paths in its home. Paths are absolute.

    Ports of `address` listen on all interfaces, others on 127.0.0.1.
    """

    home: Path
    panel_uid: int
    panel_gid: int
    database_password: str = field(default="", repr=False)
    valkey_password: str = field(default="", repr=False)
    traefik_token: str = field(default="", repr=False)
    panel_identity: str = ""

    @property
    def identity(self) -> str:
        """An id that distinguishes this panel's containers from those of other panels.

        It derives from the home; a worker on another machine gets it from its parent. Raises Invalid if that is missing.
        """
        if self.database_url and not self.panel_identity:
            raise Invalid("This worker has no panel.", "Start it with `python -m workers`.")
        return self.panel_identity or identity(self.home)

    @property
    def database_dsn(self) -> str:
        """A libpq URI. For SQLAlchemy, replace its scheme by `postgresql+psycopg2`."""
        return self.database_url or f"postgresql://skypanel:{self.database_password}@/skypanel?host={self.run_dir}"

    @property
    def valkey_socket(self) -> Path:
        """Valkey's Unix socket. It listens on nothing else."""
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
        """The socket of the launcher."""
        return self.run_dir / "launcher.sock"

    @property
    def ingress(self) -> str:
        """Where the Swarm's ingress accepts requests for apps from the panel's proxy: host:port."""
        return f"{self.ingress_host}:{self.ingress_port}"

    @property
    def encryption_keys_file(self) -> Path:
        """The Fernet keys, one on each line, newest first."""
        return self.home / "keys" / "encryption.keys"

    @property
    def ssh_host_keys(self) -> tuple[Path, ...]:
        """The private SSH host keys, the preferred one first."""
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
        """The folder of unnamed temporary files for uploads to S3."""
        return self.home / "scratch"

    @property
    def logs(self) -> Path:
        """The folder of all logs: one folder for each app id, and `panel`."""
        return self.home / "logs"
