"""The panel: one driver for each port."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property

from skypanel.domain.routing import Address
from skypanel.ports.archives import Archives
from skypanel.ports.builder import Builder
from skypanel.ports.certificates import CertificateAuthority, Certificates
from skypanel.ports.clock import Clock
from skypanel.ports.crypto import Cipher, ParsePublicKey, Passwords
from skypanel.ports.database import Connection, Database
from skypanel.ports.dns import Dns, OpenRecords
from skypanel.ports.error_pages import ErrorPages
from skypanel.ports.log_drains import LogDrains
from skypanel.ports.logs import Logs
from skypanel.ports.mail import Mailer
from skypanel.ports.metrics import Metrics
from skypanel.ports.nodes import Machines, Swarm
from skypanel.ports.notifier import Notifier
from skypanel.ports.objects import Objects, OpenObjects
from skypanel.ports.output import Output
from skypanel.ports.processes import Processes
from skypanel.ports.queue import Queue
from skypanel.ports.receivers import Receivers
from skypanel.ports.remotes import Remotes
from skypanel.ports.repositories import Repositories
from skypanel.ports.router import Router
from skypanel.ports.runtimes import Runtimes
from skypanel.ports.scheduler import Scheduler
from skypanel.ports.sign_in import OneTimeCodes, Passkeys
from skypanel.ports.upkeep import Upkeep


@dataclass(frozen=True)
class Panel:
    """One driver for each port. Functions of flow do everything through it.

    A property calls its `load_` function on first use, because those drivers' libraries take memory.
    """

    address: Address
    database: Database
    scheduler: Scheduler
    builder: Builder
    upkeep: Upkeep
    router: Router
    objects: Objects
    open_objects: OpenObjects
    open_records: OpenRecords
    output: Output
    queue: Queue
    logs: Logs
    metrics: Metrics
    processes: Processes
    cipher: Cipher
    passwords: Passwords
    repositories: Repositories
    archives: Archives
    clock: Clock
    parse_public_key: ParsePublicKey
    load_dns: Callable[[], Dns]
    load_authority: Callable[[], CertificateAuthority]
    load_certificates: Callable[[], Certificates]
    load_mailer: Callable[[], Mailer]
    load_codes: Callable[[], OneTimeCodes]
    load_passkeys: Callable[[], Passkeys]
    load_machines: Callable[[], Machines]
    load_receivers: Callable[[], Receivers]
    load_log_drains: Callable[[], LogDrains]
    load_notifier: Callable[[], Notifier]
    load_error_pages: Callable[[], ErrorPages]
    load_remotes: Callable[[], Remotes]
    load_runtimes: Callable[[], Runtimes]
    load_swarm: Callable[[], Swarm]

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Begin a transaction: `async with panel.transaction() as conn`."""
        return self.database.transaction()

    def autocommit(self) -> AbstractAsyncContextManager[Connection]:
        """Run each statement as its own transaction: `async with panel.autocommit() as conn`."""
        return self.database.autocommit()

    @cached_property
    def dns(self) -> Dns:
        """What DNS says of domains."""
        return self.load_dns()

    @cached_property
    def authority(self) -> CertificateAuthority:
        """What issues certificates."""
        return self.load_authority()

    @cached_property
    def certificates(self) -> Certificates:
        """What makes keys and reads certificates."""
        return self.load_certificates()

    @cached_property
    def mailer(self) -> Mailer:
        """The way that mails take."""
        return self.load_mailer()

    @cached_property
    def codes(self) -> OneTimeCodes:
        """The codes of apps that sign-in asks for."""
        return self.load_codes()

    @cached_property
    def passkeys(self) -> Passkeys:
        """What verifies passkeys."""
        return self.load_passkeys()

    @cached_property
    def machines(self) -> Machines:
        """SSH connections to other machines."""
        return self.load_machines()

    @cached_property
    def error_pages(self) -> ErrorPages:
        """What fetches apps' own pages for errors."""
        return self.load_error_pages()

    @cached_property
    def receivers(self) -> Receivers:
        """The servers that get webhooks."""
        return self.load_receivers()

    @cached_property
    def log_drains(self) -> LogDrains:
        """The servers that get log lines."""
        return self.load_log_drains()

    @cached_property
    def notifier(self) -> Notifier:
        """The services that show messages about alerts."""
        return self.load_notifier()

    @cached_property
    def remotes(self) -> Remotes:
        """Git repositories on other servers."""
        return self.load_remotes()

    @cached_property
    def runtimes(self) -> Runtimes:
        """Interpreters for builds."""
        return self.load_runtimes()

    @cached_property
    def swarm(self) -> Swarm:
        """The Swarm that nodes are members of."""
        return self.load_swarm()
