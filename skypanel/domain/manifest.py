"""Everything a scheduler needs to run a release, and what it reports back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from skypanel.domain.app import App
from skypanel.domain.health import HealthCheck
from skypanel.domain.identity import derived_id
from skypanel.domain.ids import AppId, DynoId, FormationId, OrganizationId, ReleaseId
from skypanel.domain.limits import Limits

STOP_GRACE_S = 30.0
BOOT_TIMEOUT_S = 60.0
WEB = "web"
RELEASE_PHASE = "release"


@dataclass(frozen=True)
class Process:
    """A process type with its command and the number of dynos that should run."""

    type: str
    command: str
    quantity: int


@dataclass(frozen=True)
class Manifest:
    """A release with its formation, plan and config vars.

    The config vars are decrypted, so `repr` leaves them out. A scheduler must not expose them in an argument list, a file or the
    environment of a service.
    """

    app_id: AppId
    app_number: int
    app_name: str
    organization_id: OrganizationId
    release_id: ReleaseId | None
    version: int
    generation: int
    slug_digest: str
    processes: tuple[Process, ...]
    limits: Limits
    config_vars: Mapping[str, str] = field(repr=False)
    health: HealthCheck = field(default_factory=HealthCheck)

    @classmethod
    def empty(cls, app: App) -> "Manifest":
        """Return the manifest of an app that should run nothing."""
        return cls(app.id, app.number, app.name, app.organization_id, None, 0, app.generation, "", (), app.plan.limits(), {})

    def dynos(self) -> tuple["DynoKey", ...]:
        """Return the key of every dyno that should run."""
        return tuple(
            DynoKey(self.app_id, self.version, self.generation, process.type, index)
            for process in self.processes
            for index in range(1, process.quantity + 1)
        )

    def only(self, process_type: str) -> "DynoKey":
        """Return the key of the single dyno of a process type outside the formation."""
        return DynoKey(self.app_id, self.version, self.generation, process_type, 1)

    def command(self, process_type: str) -> str | None:
        """Return the command of a process type, or None if the slug has no such type."""
        return next((process.command for process in self.processes if process.type == process_type), None)


def process_notes(manifest: Manifest, before: Manifest | None) -> list[str]:
    """Return sentences about process types for the log of a release that went live: what stopped, and what does not run yet."""
    types = {process.type: process.quantity for process in manifest.processes if process.type != RELEASE_PHASE}
    dropped = [process for process in before.processes if process.type not in types and process.quantity > 0] if before else []
    notes = [f"{each.type} is no longer in the Procfile: its {_dynos(each.quantity)} stopped." for each in dropped]
    if types and not any(types.values()):
        start = WEB if WEB in types else next(iter(types))
        why = f"No dynos are running: {', '.join(types)} {'is' if len(types) == 1 else 'are'} scaled to 0."
        notes += [why, f"Start it: skypanel scale {manifest.app_name} {start}=1"]
    if types and WEB not in types:
        notes.append(f"The app has no web process type, so its URL does not respond. It has: {', '.join(types)}.")
    return notes


def _dynos(number: int) -> str:
    return "dyno has" if number == 1 else f"{number} dynos have"


@dataclass(frozen=True, order=True)
class DynoKey:
    """Identifies a dyno among all that run, also while two releases overlap."""

    app_id: AppId
    version: int
    generation: int
    process_type: str
    index: int

    @property
    def name(self) -> str:
        """The name that users see, such as web.1."""
        return f"{self.process_type}.{self.index}"

    @property
    def id(self) -> DynoId:
        """A unique id, derived from the key."""
        return DynoId(derived_id(self.app_id, self.version, self.generation, self.name))

    def is_called(self, name: str) -> bool:
        """Whether `name` is the name of this dyno or of its process type."""
        return name in {self.name, self.process_type}


def formation_id(app_id: AppId, process_type: str) -> FormationId:
    """Return a stable id for a process type of an app, independent of what runs."""
    return FormationId(derived_id(app_id, "formation", process_type))


def stoppable(running: Iterable[DynoKey], asked: str) -> str | None:
    """Return the process type or dyno name to stop, or None if nothing that runs matches.

    `asked` is a process type, or a dyno's name or id.
    """
    keys = list(running)
    if any(key.process_type == asked for key in keys):
        return asked
    return next((key.name for key in keys if asked in {key.name, str(key.id)}), None)


class DynoState(StrEnum):
    """The state of a dyno; a crashed one waits for its restart."""

    STARTING = "starting"
    UP = "up"
    CRASHED = "crashed"
    STOPPING = "stopping"


@dataclass(frozen=True)
class Dyno:
    """One running copy. `endpoint` is host:port as Traefik reaches it; `reason` says why it last ended.

    `command` is what a one-off dyno runs, shortened if it is long. It may hold a secret, so only users who can see the app may read it.
    """

    key: DynoKey
    state: DynoState
    since: datetime
    endpoint: str | None = None
    restarts: int = 0
    reason: str | None = None
    command: str | None = field(default=None, repr=False)


ONE_OFF = "run"
ONE_OFF_LIFE_S = 24 * 3600.0
# How many characters of a command are shown.
SHOWN_COMMAND = 1000


@dataclass(frozen=True)
class Window:
    """The size of a terminal, in characters."""

    columns: int
    rows: int


@dataclass(frozen=True)
class OneOff:
    """A one-off dyno `run.<number>`: a command outside the formation, with `environment` added to the config vars.

    With a `window` it gets a terminal, otherwise pipes.
    """

    number: int
    command: str = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    window: Window | None = None
    timeout_s: float = ONE_OFF_LIFE_S

    @property
    def name(self) -> str:
        """The name that users see, such as run.1234."""
        return f"{ONE_OFF}.{self.number}"

    def key(self, manifest: Manifest) -> DynoKey:
        """Return its key as a dyno of a release."""
        return DynoKey(manifest.app_id, manifest.version, manifest.generation, ONE_OFF, self.number)


@dataclass(frozen=True)
class Exit:
    """How a command in a sandbox ended. `reason` is set if the sandbox ended it, not the command itself."""

    code: int
    reason: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the command succeeded."""
        return self.code == 0 and self.reason is None
