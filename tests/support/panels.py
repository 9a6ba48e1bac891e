"""A panel with a real database and fakes for the other ports, whose scheduler and builder tests control."""

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from argon2.profiles import CHEAPEST

from skypanel.domain.access import Role
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.dyno_errors import boot_timeout
from skypanel.domain.errors import Conflict
from skypanel.domain.manifest import ONE_OFF, SHOWN_COMMAND, WEB, Dyno, DynoState, Exit
from skypanel.domain.routing import Address
from skypanel.drivers.crypto.argon2 import Argon2Passwords
from skypanel.drivers.crypto.x509 import X509Certificates
from skypanel.drivers.git.repositories import DulwichRepositories
from skypanel.drivers.runtimes.kept import KeptRuntimes
from skypanel.drivers.sandbox.attachment import Attachment
from skypanel.drivers.sign_in.passkeys import WebauthnPasskeys
from skypanel.drivers.sign_in.totp import TotpCodes
from skypanel.drivers.sources.upload import TarballArchives
from skypanel.drivers.ssh.public_keys import parse_public_key
from skypanel.flow import apps as apps_flow
from skypanel.flow import build as build_flow
from skypanel.flow import rollout as rollout_flow
from skypanel.flow.setup import initialize
from skypanel.host.environment import at_terminal
from skypanel.ports.builder import StepFailed
from skypanel.ports.panel import Panel
from skypanel.ports.scheduler import Unready
from skypanel.store import accounts, organizations
from tests.fakes.certificates import FakeAuthority
from tests.fakes.clock import FakeClock
from tests.fakes.crypto import FakeCipher
from tests.fakes.dns import FakeDns, FakeRecords
from tests.fakes.error_pages import FakeErrorPages
from tests.fakes.log_drains import FakeLogDrains
from tests.fakes.logs import FakeLogs
from tests.fakes.mail import FakeMailer
from tests.fakes.metrics import FakeMetrics, FakeProcesses
from tests.fakes.nodes import FakeMachines, FakeSwarm
from tests.fakes.notifier import FakeNotifier
from tests.fakes.objects import FakeObjects
from tests.fakes.output import FakeOutput
from tests.fakes.queue import FakeQueue
from tests.fakes.receivers import FakeReceivers
from tests.fakes.remotes import FakeRemotes
from tests.fakes.router import FakeRouter
from tests.support import factories

ADDRESS = Address("localhost", 2222, 8080, 8443)


class FakeScheduler:
    """Dynos are up at once, except commands that begin with `crash`, and generations in `unready`. `hold` delays that until it is set."""

    def __init__(self):
        self.running = {}
        self.staged = set()
        self.runs = []
        self.launched = []
        self.hold = None
        self.unready = set()
        self.waiting = asyncio.Event()
        self.broken = False
        self.once = {}
        self.printed = {}
        self._processes = {}

    async def stage(self, app, digest):
        self.staged.add(digest)

    async def launch(self, manifest):
        self.launched.append(manifest)
        for key in manifest.dynos():
            endpoint = f"10.0.0.{manifest.app_number}:{5000 + manifest.version * 100 + key.index}" if key.process_type == WEB else None
            self.running.setdefault(key, Dyno(key, DynoState.UP, datetime.now(UTC), endpoint))

    async def wait_ready(self, manifest, timeout_s):
        if self.hold is not None:
            self.waiting.set()
            await self.hold.wait()
        for key in manifest.dynos():
            if (manifest.command(key.process_type) or "").startswith("crash") or key.generation in self.unready:
                raise Unready(key.name, "exited with status 1 before it listened on $PORT.")
            if (manifest.command(key.process_type) or "").startswith("silent"):
                raise Unready(key.name, "did not listen on $PORT within 60 s.", boot_timeout(timeout_s))
        return [self.running[key] for key in manifest.dynos()]

    async def dynos(self, app_id=None):
        return [dyno for key, dyno in self.running.items() if app_id in {None, key.app_id}]

    async def last_lines(self, key):
        return self.printed.get(key, [])

    async def retire(self, manifest):
        keep = set(manifest.dynos())
        self.running = {key: dyno for key, dyno in self.running.items() if key.app_id != manifest.app_id or key in keep}

    async def stop(self, app_id, dyno):
        told = [key for key in self.running if key.app_id == app_id and key.is_called(dyno)]
        for key in told:
            self.running[key] = replace(self.running[key], since=datetime.now(UTC))
        once = [key for key in self.once if key.app_id == app_id and key.is_called(dyno)]
        for key in once:
            self.once.pop(key)
            if key in self._processes:
                self._processes.pop(key).terminate()
        return sorted({key.name for key in (*told, *once)})

    @asynccontextmanager
    async def attach(self, manifest, one_off):
        async with self._runs(manifest, one_off):
            attachment = Attachment(one_off.window)
            command = at_terminal(("bash", "-c", one_off.command)) if one_off.window else ("bash", "-c", one_off.command)
            stdin, stdout, stderr = attachment.theirs
            process = await asyncio.create_subprocess_exec(
                *command, stdin=stdin, stdout=stdout, stderr=stderr, env={**os.environ, **one_off.environment}
            )
            self._processes[one_off.key(manifest)] = process
            ending = asyncio.ensure_future(_exit_of(process, one_off.timeout_s))

            async def send(number):
                process.send_signal(number)

            attachment.started(ending, send)
            try:
                yield attachment
            finally:
                if process.returncode is None:
                    process.kill()
                await asyncio.wait({ending})
                attachment.close()

    @asynccontextmanager
    async def _runs(self, manifest, one_off):
        await self.detach(manifest, one_off)
        try:
            yield
        finally:
            self.once.pop(one_off.key(manifest), None)

    async def detach(self, manifest, one_off):
        key = one_off.key(manifest)
        if any((other.app_id, other.name) == (key.app_id, key.name) for other in self.once):
            raise Conflict(f"There is a dyno {key.name} already.")
        self.runs.append((key.name, one_off.command))
        self.once[key] = Dyno(key, DynoState.UP, datetime.now(UTC), command=one_off.command[:SHOWN_COMMAND])

    def since(self, app_id, name):
        """Return the time since when a dyno of the formation runs."""
        return next(dyno.since for key, dyno in self.running.items() if key.app_id == app_id and key.name == name)

    async def one_offs(self, app_id=None):
        return [dyno if app_id else replace(dyno, command=None) for key, dyno in self.once.items() if app_id in {None, key.app_id}]

    async def remove(self, app_id):
        self.running = {key: dyno for key, dyno in self.running.items() if key.app_id != app_id}
        self.once = {key: dyno for key, dyno in self.once.items() if key.app_id != app_id}

    async def run(self, manifest, command, write, timeout_s, *, process_type=ONE_OFF):
        self.runs.append((manifest.only(process_type).name, command))
        await write(f"output of {command}")
        return Exit(1) if command.startswith("fail") else Exit(0)


async def _exit_of(process, timeout_s):
    try:
        status = await asyncio.wait_for(process.wait(), timeout_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        return Exit(137, f"it ran longer than {timeout_s:g} seconds")
    return Exit(128 - status if status < 0 else status)


@dataclass
class FakeBuilder:
    """A workspace that answers steps from `answers`: the first whose words are all in the step's argv counts."""

    answers: list[tuple[tuple[str, ...], Exit, bytes]] = field(default_factory=list)
    steps: list[tuple[str, ...]] = field(default_factory=list)
    fed: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def workspace(self, app, limits):
        yield self

    def answer(self, *words, code=0, reason=None, out=b""):
        self.answers.insert(0, (words, Exit(code, reason), out))

    def _answer(self, step):
        self.steps.append(step.argv)
        said = " ".join(step.argv)
        return next(((exit_, out) for words, exit_, out in self.answers if all(word in said for word in words)), (Exit(0), b""))

    async def run(self, step, write, stdin=None):
        if stdin is not None:
            self.fed.append(b"".join([chunk async for chunk in stdin]))
        exit_, out = self._answer(step)
        for line in out.decode().splitlines():
            await write(line)
        return exit_

    async def read(self, step):
        exit_, out = self._answer(step)
        yield out
        if not exit_.ok:
            raise StepFailed(exit_)


class FakeUpkeep:
    """Records resources by app and by organization, until they are removed as orphans."""

    def __init__(self):
        self.left = set()
        self.networks = set()

    async def remove_orphans(self, apps, organizations):
        self.left &= set(apps)
        self.networks &= set(organizations)


@dataclass
class Stage:
    """A panel, its admin, and shortcuts for frequent actions."""

    panel: Panel
    admin: Account

    async def app(self, name: str = "hello") -> App:
        return await apps_flow.create(self.panel, self.admin, name)

    async def member(self, role: Role) -> Account:
        async with self.panel.transaction() as conn:
            account = await accounts.add(conn, f"{role.name.lower()}@example.com")
            owned = (await organizations.of(conn, self.admin.id))[0]
            await organizations.add_member(conn, owned.id, account.id, role)
        return account

    async def outsider(self) -> Account:
        async with self.panel.transaction() as conn:
            return await accounts.add(conn, "outsider@example.com")

    async def work(self) -> None:
        """Do the work of all workers until none is left."""
        await build_flow.work(self.panel, "worker")
        await rollout_flow.work(self.panel, "worker")

    async def push(self, app: App, text: str | None = None):
        """Request a build of a source and return it. `work` does the rest."""
        source = factories.source(text)
        self.panel.objects.stored["sources", source.digest] = b"a tree"
        return await build_flow.request(self.panel, app, self.admin.id, source, write=silent)


async def silent(_line: str) -> None:
    pass


def no_storage(storage):
    raise AssertionError(f"nobody is to open {storage.place}")


async def open_stage(database, folder) -> Stage:
    builder = FakeBuilder()
    builder.answer("test", "-f", code=1)
    builder.answer("detect", out=b"python\nPython\n")
    builder.answer("cat", "/app/Procfile", out=b"web: serve\nworker: toil\n")
    builder.answer("tar -c", out=b"a slug")
    clock, dns, mailer = FakeClock(datetime.now(UTC)), FakeDns(), FakeMailer()
    authority = FakeAuthority(clock)
    receivers = FakeReceivers()
    drains = FakeLogDrains()
    notifier = FakeNotifier()
    error_pages = FakeErrorPages()
    machines, remotes, runtimes, swarm = FakeMachines(), FakeRemotes(folder / "elsewhere"), KeptRuntimes(folder / "runtimes"), FakeSwarm()
    panel = Panel(
        address=ADDRESS,
        database=database,
        scheduler=FakeScheduler(),
        builder=builder,
        upkeep=FakeUpkeep(),
        router=FakeRouter(),
        objects=FakeObjects(),
        open_objects=no_storage,
        open_records=FakeRecords(dns).open,
        output=FakeOutput(),
        queue=FakeQueue(),
        logs=FakeLogs(),
        metrics=FakeMetrics(),
        processes=FakeProcesses(),
        cipher=FakeCipher(),
        passwords=Argon2Passwords(CHEAPEST),
        repositories=DulwichRepositories(folder),
        archives=TarballArchives(),
        clock=clock,
        parse_public_key=parse_public_key,
        load_dns=lambda: dns,
        load_authority=lambda: authority,
        load_certificates=X509Certificates,
        load_mailer=lambda: mailer,
        load_codes=TotpCodes,
        load_passkeys=WebauthnPasskeys,
        load_machines=lambda: machines,
        load_receivers=lambda: receivers,
        load_log_drains=lambda: drains,
        load_notifier=lambda: notifier,
        load_error_pages=lambda: error_pages,
        load_remotes=lambda: remotes,
        load_runtimes=lambda: runtimes,
        load_swarm=lambda: swarm,
    )
    return Stage(panel, (await initialize(panel, ())).admin)
