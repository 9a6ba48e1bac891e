"""One of each port."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from skypanel.domain.routing import Address
from skypanel.ports.archives import Archives
from skypanel.ports.builder import Builder
from skypanel.ports.clock import Clock
from skypanel.ports.crypto import Cipher, Passwords
from skypanel.ports.database import Connection, Database
from skypanel.ports.logs import Logs
from skypanel.ports.nodes import Machines, Swarm
from skypanel.ports.objects import Objects, OpenObjects
from skypanel.ports.output import Output
from skypanel.ports.queue import Queue
from skypanel.ports.remotes import Remotes
from skypanel.ports.repositories import Repositories
from skypanel.ports.router import Router
from skypanel.ports.runtimes import Runtimes
from skypanel.ports.scheduler import Scheduler
from skypanel.ports.upkeep import Upkeep


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
