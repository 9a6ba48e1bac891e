"""What the product needs from the outside world; drivers fill these in, fakes stand in for them.

No port raises a vendor's error: what can go wrong is one of `skypanel.domain.errors`.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from skypanel.domain.app import App
from skypanel.domain.limits import Limits
from skypanel.domain.log import LogLine
from skypanel.domain.manifest import Dyno, DynoKey, Exit, Manifest, OneOff, Window
from skypanel.domain.node import Availability, Invitation, Login, Member
from skypanel.domain.output import FIRST, Line, LineId
from skypanel.domain.push import Kind, Tree
from skypanel.domain.remote import Branches, Entrance, KeyPair
from skypanel.domain.routing import Address, Route
from skypanel.domain.runtime import Runtime
from skypanel.domain.storage import Kept, Storage
from skypanel.domain.submodule import Part

WriteLine = Callable[[str], Awaitable[None]]
# Puts an app's slug, by its digest, on the nodes beside the manager's.
StageElsewhere = Callable[[App, str], Awaitable[None]]
# Tells a dyno on a node beside the manager's to stop, by the node's name in the Swarm and the dyno's container.
StopElsewhere = Callable[[str, str], Awaitable[None]]


class Connection(Protocol):
    """A database connection inside a transaction. `statement` is a SQLAlchemy Core statement, `values` are those of its bindparams.

    Rows come back as named tuples. Raises Unavailable when the database is gone, Conflict when
    a unique constraint is hit.
    """

    async def all(self, statement: Any, values: Mapping[str, Any] | None = None) -> Sequence[Any]: ...
    async def first(self, statement: Any, values: Mapping[str, Any] | None = None) -> Any | None: ...
    async def execute(self, statement: Any, values: Mapping[str, Any] | None = None) -> int:
        """Run a statement and return how many rows it touched."""
        ...


class Database(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Begin with the first statement of the block; commit at its end, roll back if it raises.

        That statement waits some seconds for a database that restarts, then raises Unavailable.
        """
        ...

    def autocommit(self) -> AbstractAsyncContextManager[Connection]:
        """As `transaction`, but each statement is one of its own, which saves a round trip: to read, or to write what may be written twice.

        It is where the database goes away in the middle of the first statement.
        """
        ...

    async def close(self) -> None: ...


class Attached(Protocol):
    """Somebody's end of a one-off dyno."""

    def read(self) -> AsyncIterator[bytes]:
        """Yield what it writes, stdout and stderr alike, until nobody can write any more."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Give it input; what it does not read any more is dropped."""
        ...

    async def end_input(self) -> None:
        """Say that no more input comes: at a terminal by ^D."""
        ...

    def resize(self, window: Window) -> None:
        """Change the size of its terminal; it has SIGWINCH then. Without one nothing happens."""
        ...

    async def signal(self, number: int) -> None:
        """Send a signal to its processes."""
        ...

    async def wait(self) -> Exit:
        """Return how it ended, once it has."""
        ...


class Scheduler(Protocol):
    """Runs dynos. Every call may be repeated."""

    async def stage(self, app: App, digest: str) -> None:
        """Put a slug where its dynos will start, so that starting one downloads nothing.

        Raises Unavailable if the slug cannot be had.
        """
        ...

    async def launch(self, manifest: Manifest) -> None:
        """Start what is missing of the manifest's dynos, beside whatever else the app runs."""
        ...

    async def wait_ready(self, manifest: Manifest, timeout_s: float) -> Sequence[Dyno]:
        """Return the manifest's dynos once every web dyno answers on $PORT and the others stay up.

        Raises Unready as soon as one cannot become ready, and at the latest after `timeout_s`.
        """
        ...

    async def dynos(self, app_id: UUID | None = None) -> Sequence[Dyno]:
        """Return what runs, of one app or of all."""
        ...

    async def last_lines(self, key: DynoKey) -> Sequence[str]:
        """Return the last lines that a dyno of one release printed, oldest first and as `Logs` has them.

        Of one that crashed they are those of its last try; there are none where nothing is known of it any more.
        """
        ...

    async def retire(self, manifest: Manifest) -> None:
        """Stop every dyno of the app that is not the manifest's: SIGTERM now, SIGKILL after the grace.

        Returns once the signal is sent; the scheduler sees to the rest.
        """
        ...

    async def stop(self, app_id: UUID, dyno: str) -> Sequence[str]:
        """Stop one dyno such as web.1, or all of a process type: SIGTERM now, SIGKILL after the grace.

        Those of the formation start again at once, in their own place; a one-off dyno's end is final.
        Returns the names of those that were told.
        """
        ...

    async def remove(self, app_id: UUID) -> None:
        """Stop all dynos of an app and forget its slugs, logs and disks."""
        ...

    async def run(self, manifest: Manifest, command: str, write: WriteLine, timeout_s: float, *, dyno: str = "run.1") -> Exit:
        """Run a one-off dyno of the manifest's slug to its end, its output line by line."""
        ...

    def attach(self, manifest: Manifest, one_off: OneOff) -> AbstractAsyncContextManager[Attached]:
        """Run a one-off dyno for the length of the block; at its end, or when the caller vanishes, all of it is gone.

        Raises Unavailable, and Conflict where its number is taken.
        """
        ...

    async def detach(self, manifest: Manifest, one_off: OneOff) -> None:
        """Start a one-off dyno that runs by itself, its output in the app's log. Raises as `attach`."""
        ...

    async def one_offs(self, app_id: UUID | None = None) -> Sequence[Dyno]:
        """Return the one-off dynos that run, attached or not, of one app with what each runs, or of all; `dynos` has none of them."""
        ...


class Unready(Exception):
    """A dyno did not become ready; `reason` is a sentence for the user."""

    def __init__(self, dyno: str, reason: str) -> None:
        super().__init__(f"{dyno}: {reason}")
        self.dyno = dyno
        self.reason = reason


@dataclass(frozen=True)
class Step:
    """One command in a workspace; it starts in `directory`, with nothing of the panel's environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str = "/app"
    network: bool = False


class Workspace(Protocol):
    """A build's sandbox: /app, /cache, /env and /tmp are its own; /buildpacks is ours, read-only.

    All processes of a step are gone when the step ends.
    """

    async def run(self, step: Step, write: WriteLine, stdin: AsyncIterable[bytes] | None = None) -> Exit:
        """Run a step to its end, stdout and stderr line by line."""
        ...

    def read(self, step: Step) -> AsyncIterator[bytes]:
        """Yield a step's stdout as it comes. Raises StepFailed at the end if it did not succeed."""
        ...


class StepFailed(Exception):
    """A step whose output was wanted did not succeed."""

    def __init__(self, exit_: Exit) -> None:
        super().__init__(exit_.reason or f"exit status {exit_.code}")
        self.exit = exit_


class Builder(Protocol):
    def workspace(self, app: App, limits: Limits) -> AbstractAsyncContextManager[Workspace]:
        """Open an empty workspace; at the end of the block everything in it is gone but /cache.

        The limits hold for the whole of it, `timeout_s` too. Raises Unavailable.
        """
        ...


class Runtimes(Protocol):
    """Interpreters that the stack lacks, from a mirror or, where that is "", from where their makers have them."""

    async def offered(self, language: str, mirror: str) -> Mapping[str, Runtime]:
        """Return by version what can be had. Raises Unavailable."""
        ...

    async def kept(self, runtimes: Mapping[str, Runtime]) -> Sequence[str]:
        """Return the versions of those that need no network any more."""
        ...

    async def fetch(self, runtime: Runtime, mirror: str) -> None:
        """Have one here, its digest checked: once for all apps, and never twice at once. Raises Unavailable with the reason."""
        ...

    def read(self, runtime: Runtime) -> AsyncIterator[bytes]:
        """Yield as a tar what a build installs it from, once it was fetched. Raises Unavailable."""
        ...


class Upkeep(Protocol):
    """What an engine needs done now and then."""

    async def tend(self, apps: Collection[UUID], organizations: Collection[UUID]) -> None:
        """Have the engine's own parts in place, and remove what was left: of killed workers, and of apps and organizations but these.

        What is young is left alone, as it may belong to what was made just now. May be repeated. Raises Unavailable.
        """
        ...


class Router(Protocol):
    async def confirm(self, routes: Sequence[Route], timeout_s: float = 10.0) -> None:
        """Return once the proxy has these routes in force. Raises Unavailable after `timeout_s`."""
        ...


@dataclass(frozen=True)
class Stored:
    """An object that was written: its SHA-256 in hex and its size."""

    digest: str
    size_bytes: int


class Objects(Protocol):
    """Content-addressed storage. `kind` is sources, slugs or outputs."""

    async def add(self, kind: str, chunks: AsyncIterable[bytes], max_bytes: int | None = None) -> Stored:
        """Write an object under the digest of its bytes; nothing is left behind if it fails.

        One that is there already is written anew, so that it counts as young. Raises Invalid once `max_bytes` is
        passed, Unavailable if storage fails.
        """
        ...

    def read(self, kind: str, digest: str) -> AsyncIterator[bytes]:
        """Yield an object's bytes. Raises NotFound, and Unavailable before the end of one that is damaged."""
        ...

    async def put(self, kind: str, name: str, body: bytes) -> None:
        """Write a small object under a name of its own, replacing what was there."""
        ...

    async def exists(self, kind: str, digest: str) -> bool: ...

    async def delete(self, kind: str, digest: str, before: datetime | None = None) -> None:
        """Delete an object, where a time is given only if it was written before; one that is not there is no error."""
        ...

    def list(self, kind: str) -> AsyncIterator[Kept]:
        """Yield what is there, in no order."""
        ...

    async def url(self, kind: str, digest: str, life_s: float) -> str | None:
        """Return where anyone may fetch an object for `life_s`; None where only the panel itself can read it.

        The URL is a secret. Whether there is such an object is not looked at.
        """
        ...

    async def sweep(self, before: datetime) -> None:
        """Remove what writers left unfinished that were killed before then."""
        ...

    async def close(self) -> None:
        """Let go of connections; the next use makes new ones."""
        ...


OpenObjects = Callable[[Storage], Objects]


class OutputWriter(Protocol):
    async def write(self, text: str) -> None:
        """Append a line; lines over 16 KiB are cut into several, and a flood is cut off with a note.

        Never fails for want of Redis: lines are spooled to disk and published when it is back.
        """
        ...


class Output(Protocol):
    """Streams of lines: written by one job, read by anyone, kept after the end."""

    def writer(self, stream: str, attempt: int) -> AbstractAsyncContextManager[OutputWriter]:
        """Open the stream for an attempt; leaving the block archives the lines and writes the end mark.

        Lines of an earlier attempt that come after this one's are dropped.
        """
        ...

    def read(self, stream: str, after: LineId = FIRST, idle_s: float = 15.0) -> AsyncIterator[Line]:
        """Yield the lines after `after`, from Redis or from the archive, until the end mark.

        Ends without an end mark after `idle_s` without a line: the caller looks at the database
        and reads on from the last line it got.
        """
        ...


class Job(StrEnum):
    """What a worker can be woken for; the values are the names of queues."""

    BUILD = "builds"
    ROLLOUT = "rollouts"
    NODE = "nodes"


class Queue(Protocol):
    async def wake(self, job: Job) -> None:
        """Tell a worker that there is work to claim. A lost wake-up is repeated by the schedule."""
        ...


class Logs(Protocol):
    def read(self, app: App, lines: int = 100, *, follow: bool = False, dyno: str | None = None) -> AsyncIterator[str]:
        """Yield an app's log lines, oldest first: `<RFC 3339 time> app[web.1]: <text>`."""
        ...

    async def write(self, app: App, text: str) -> None:
        """Add a line of the platform's own about an app, as `app[api]`."""
        ...

    async def append(self, app_id: UUID, lines: Sequence[LogLine], *, again: bool = False) -> None:
        """Add lines that an app's dynos printed where the engine itself keeps none; `again` says that some may be there already.

        Raises Unavailable, and may be repeated with `again`.
        """
        ...

    async def kept(self) -> Sequence[UUID]:
        """Return the apps that have lines."""
        ...

    async def forget(self, app_id: UUID) -> None:
        """Remove an app's lines."""
        ...


class Cipher(Protocol):
    """Encrypts secrets at rest; the newest key encrypts, older keys still decrypt."""

    def encrypt(self, plain: str) -> bytes: ...
    def decrypt(self, secret: bytes) -> str:
        """Return the secret in the clear. Raises Unavailable if no key fits."""
        ...

    def rotate(self, secret: bytes) -> bytes:
        """Return the same secret under the newest key."""
        ...


class Passwords(Protocol):
    """Keeps what proves a password and does not tell it."""

    async def hash(self, password: str) -> str:
        """Return what to keep of a password."""
        ...

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether this is the password of which `kept` was kept; takes as long where None was."""
        ...


class Repositories(Protocol):
    """Bare git repositories, named by app id."""

    async def create(self, app_id: UUID) -> None:
        """Make an empty one; one that is there is kept."""
        ...

    def path(self, app_id: UUID) -> str: ...

    async def refs(self, app_id: UUID) -> Mapping[str, str]:
        """Return ref -> object id (hex), without HEAD. Raises NotFound."""
        ...

    async def head(self, app_id: UUID) -> str:
        """Return the ref that a clone checks out, which was deployed last, whether it is there or not. Raises NotFound."""
        ...

    async def kind(self, app_id: UUID, name: str, quarantine: str | None = None) -> Kind:
        """Say what an object is. Raises Invalid if it is missing or cannot be read."""
        ...

    async def largest(self, app_id: UUID, quarantine: str) -> tuple[str, int]:
        """Return the largest of the objects in a quarantine, and its size in bytes. Raises Invalid if they cannot be counted."""
        ...

    async def contains(self, app_id: UUID, old: str, new: str, quarantine: str | None = None) -> bool:
        """Whether commit `old` is part of the history of commit `new`.

        `quarantine` is the folder of objects that are pushed and not accepted yet, here and below.
        """
        ...

    async def tree(self, app_id: UUID, commit: str, quarantine: str | None = None) -> Tree:
        """Look through a commit's tree. Raises Invalid if it is no commit, or its paths are not to be written."""
        ...

    def export(self, app_id: UUID, commit: str, quarantine: str | None = None, parts: Sequence[Part] = ()) -> AsyncIterator[bytes]:
        """Yield a commit's files as a zstd tar, those of submodules where `parts` has them; the same tree makes the same bytes."""
        ...

    async def point_head(self, app_id: UUID, ref: str) -> None:
        """Make `ref` what a clone checks out."""
        ...

    async def size_bytes(self, app_id: UUID) -> int:
        """Return what a repository holds on disk, with what is being pushed to it."""
        ...

    async def remove(self, app_id: UUID) -> None:
        """Remove a repository; one that is not there is no error."""
        ...

    async def unborn(self, before: datetime) -> Sequence[UUID]:
        """Return the repositories made before then that have no ref yet."""
        ...

    async def sweep(self, before: datetime) -> None:
        """Remove what pushes left behind that were cut off before then."""
        ...


class Archives(Protocol):
    """Trees that are uploaded instead of pushed."""

    def source(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Yield the files of a .tgz as a zstd tar, as `Repositories.export` does for a commit.

        Raises Invalid for what is no whole archive, and where something in it must not become a file.
        """
        ...


@dataclass(frozen=True)
class Fetched:
    """A commit (hex) that was fetched, the folder of its objects (a quarantine, as of a push), and how large they came."""

    commit: str
    objects: str
    size_bytes: int = 0


class Remotes(Protocol):
    """Git repositories on other servers, at addresses that are public or in the entrance's networks.

    Reading one raises Denied where its server lets nobody in, or has no address that may be reached; NotFound; Conflict
    where the server shows another host key than the entrance's, before anything is told to it; Invalid for what is not
    git or too large; Unavailable for a server that does not answer in time.
    """

    def new_key(self) -> KeyPair: ...

    async def branches(self, entrance: Entrance) -> Branches: ...

    def fetch(self, entrance: Entrance, branch: str) -> AbstractAsyncContextManager[Fetched]:
        """Fetch the newest commit of a branch, without its history; at the end of the block it is gone."""
        ...

    def fetch_commit(self, entrance: Entrance, commit: str, max_bytes: int) -> AbstractAsyncContextManager[Fetched]:
        """Fetch a commit (hex), of which no branch need be the newest, in the same way. Raises Invalid if it is larger."""
        ...


class Swarm(Protocol):
    """The Swarm's members, as the manager on the panel's machine knows them. Raises Unavailable where there is none."""

    async def members(self) -> Sequence[Member]: ...

    async def set_availability(self, member_id: str, availability: Availability) -> None:
        """Let the Swarm place tasks on a member, or move those it has elsewhere. Raises NotFound."""
        ...

    async def remove(self, member_id: str) -> None:
        """Forget a member, whether it left or not; one that is not there is no error."""
        ...

    async def invitation(self) -> Invitation: ...

    @property
    def stack_images(self) -> Sequence[str]:
        """The names of the images that every node needs; dynos are started from the first."""
        ...

    async def image_id(self, name: str) -> str:
        """Return the id (sha256:...) of an image of the manager's. Raises NotFound."""
        ...

    def save_image(self, name: str) -> AsyncIterator[bytes]:
        """Yield an image of the manager's as `docker load` reads it. Raises NotFound."""
        ...


class Shell(Protocol):
    """A machine that somebody is logged in to; commands end with the connection."""

    async def run(self, argv: Sequence[str], write: WriteLine, stdin: AsyncIterable[bytes] | None = None) -> Exit:
        """Run a command to its end, stdout and stderr line by line. Raises Unavailable if the connection is lost."""
        ...

    async def read(self, argv: Sequence[str], stdin: bytes = b"") -> str:
        """Return what a command prints. Raises StepFailed, or Unavailable if the connection is lost."""
        ...


class Machines(Protocol):
    """Other machines, by SSH."""

    async def host_key(self, address: str, port: int) -> str:
        """Return the key by which a machine proves who it is, as OpenSSH writes it. Raises Unavailable."""
        ...

    def fingerprint(self, host_key: str) -> str:
        """Return what `ssh-keygen -l` prints of a host key: SHA256:..."""
        ...

    def log_in(self, login: Login) -> AbstractAsyncContextManager[Shell]:
        """Log in.

        Raises Conflict if the machine shows another host key than the login's, before anything is told to it; Denied if
        it does not let the user in; Invalid for a key that is none; Unavailable if it is not reached.
        """
        ...


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the time, in UTC."""
        ...


@dataclass(frozen=True)
class Panel:
    """One of each; what flow functions act through."""

    address: Address
    database: Database
    scheduler: Scheduler
    builder: Builder
    runtimes: Runtimes
    upkeep: Upkeep
    router: Router
    objects: Objects
    open_objects: OpenObjects
    output: Output
    queue: Queue
    logs: Logs
    cipher: Cipher
    passwords: Passwords
    repositories: Repositories
    archives: Archives
    remotes: Remotes
    swarm: Swarm
    machines: Machines
    clock: Clock

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Begin a transaction: `async with panel.transaction() as conn`."""
        return self.database.transaction()

    def autocommit(self) -> AbstractAsyncContextManager[Connection]:
        """Let each statement be a transaction of its own: `async with panel.autocommit() as conn`."""
        return self.database.autocommit()
