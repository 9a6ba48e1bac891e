"""The composition root: which driver fills which port of a panel.

Drivers with large libraries that few processes need are imported at first use.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from skypanel.domain.account import PublicKey
from skypanel.domain.dns_updates import DnsAccess
from skypanel.domain.engine import EngineKind
from skypanel.domain.stack import StackImage
from skypanel.domain.storage import Storage, StorageKind
from skypanel.drivers.celery import CeleryQueue, receiving
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.crypto.argon2 import Argon2Passwords
from skypanel.drivers.crypto.fernet import FernetCipher
from skypanel.drivers.crypto.key_file import KeyFile, KeyFileCipher
from skypanel.drivers.git.repositories import DulwichRepositories
from skypanel.drivers.loki.chosen import ChosenLogs
from skypanel.drivers.output.streams import StreamOutput, connect
from skypanel.drivers.processes import PanelProcesses
from skypanel.drivers.sources.upload import TarballArchives
from skypanel.drivers.storage.chosen import ChosenObjects
from skypanel.drivers.storage.files import FileObjects
from skypanel.engines.engine import OpenEngine, RemoteNodes
from skypanel.flow import loki, staging, stopping, storage
from skypanel.ports.certificates import CertificateAuthority, Certificates
from skypanel.ports.crypto import Cipher, KeyRing
from skypanel.ports.database import Database
from skypanel.ports.dns import Dns, DnsRecords
from skypanel.ports.error_pages import ErrorPages
from skypanel.ports.log_drains import LogDrains
from skypanel.ports.mail import Mailer
from skypanel.ports.nodes import Machines, Swarm
from skypanel.ports.notifier import Notifier
from skypanel.ports.objects import Objects
from skypanel.ports.panel import Panel
from skypanel.ports.receivers import Receivers
from skypanel.ports.remotes import Remotes
from skypanel.ports.runtimes import Runtimes
from skypanel.ports.sign_in import OneTimeCodes, Passkeys
from skypanel.settings import Settings
from skypanel.store.engine import Postgres


@asynccontextmanager
async def open_panel(settings: Settings) -> AsyncIterator[Panel]:
    """Open the panel of a home for one event loop. It makes no connection to any server yet."""
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        cipher = _cipher(settings)
        database = Postgres(settings.database_dsn)
        stack.push_async_callback(database.close)
        open_objects = partial(_open_objects, settings)
        objects = ChosenObjects(partial(storage.chosen, database, cipher), open_objects)
        stack.push_async_callback(objects.close)
        output = StreamOutput(connect(settings.valkey_url), settings.spool, objects)
        stack.push_async_callback(output.close)
        queue = CeleryQueue(settings.broker_url)
        stack.push_async_callback(queue.close)
        elsewhere = RemoteNodes(partial(staging.stage_elsewhere, database), partial(stopping.stop_elsewhere, database))
        engine = preload(settings)(settings, objects, clock, stack, elsewhere)
        logs = ChosenLogs(engine.logs, partial(loki.chosen, database, cipher), clock)
        stack.push_async_callback(logs.close)
        yield Panel(
            address=settings.address,
            database=database,
            scheduler=engine.scheduler,
            builder=engine.builder,
            upkeep=engine.upkeep,
            router=engine.router,
            objects=objects,
            open_objects=open_objects,
            open_records=_open_records,
            output=output,
            queue=queue,
            logs=logs,
            metrics=engine.metrics,
            processes=PanelProcesses(settings.run_dir / "supervisord.pid"),
            cipher=cipher,
            passwords=Argon2Passwords(),
            repositories=DulwichRepositories(settings.repositories),
            archives=TarballArchives(),
            clock=clock,
            parse_public_key=parse_public_key,
            load_dns=_load_dns,
            load_authority=_load_authority,
            load_certificates=_load_certificates,
            load_mailer=_load_mailer,
            load_codes=_load_codes,
            load_passkeys=_load_passkeys,
            load_machines=_load_machines,
            load_receivers=_load_receivers,
            load_log_drains=_load_log_drains,
            load_notifier=_load_notifier,
            load_error_pages=_load_error_pages,
            load_remotes=partial(_load_remotes, settings),
            load_runtimes=partial(_load_runtimes, settings),
            load_swarm=partial(_load_swarm, settings),
        )


def preload(settings: Settings) -> OpenEngine:
    """Import the engine and return the function that opens it. Processes forked afterwards share its memory."""
    return ENGINES[settings.engine]()


def _embedded() -> OpenEngine:
    from skypanel.engines.embedded import open_engine

    return open_engine


def _swarm() -> OpenEngine:
    from skypanel.engines.swarm import open_engine

    return open_engine


ENGINES: Mapping[EngineKind, Callable[[], OpenEngine]] = {EngineKind.EMBEDDED: _embedded, EngineKind.SWARM: _swarm}


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Open only the database of a panel."""
    database = Postgres(settings.database_dsn)
    try:
        yield database
    finally:
        await database.close()


def worker_options(settings: Settings) -> dict[str, object]:
    """Return Celery's settings for a worker, without its schedule."""
    return receiving(settings.broker_url)


def upgrade(settings: Settings) -> None:
    """Upgrade the schema of the database. Blocks until done. Raises Unavailable."""
    from skypanel.store import migrate

    migrate.upgrade(settings.database_dsn)


def key_ring(settings: Settings) -> KeyRing:
    """Return the keys of the panel's cipher."""
    return KeyFile(settings.encryption_keys_file)


def parse_public_key(text: str, name: str) -> PublicKey:
    """Parse the line of an SSH public key. Its comment is its name, else `name` is. Raises Invalid."""
    from skypanel.drivers.ssh import public_keys

    return public_keys.parse_public_key(text, name)


def _open_objects(settings: Settings, chosen: Storage) -> Objects:
    if chosen.kind is StorageKind.FILES:
        return FileObjects(settings.objects)
    from skypanel.drivers.storage.s3 import S3Objects

    return S3Objects(chosen, settings.scratch)


def _open_records(access: DnsAccess) -> DnsRecords:
    from skypanel.drivers.dns.updates import UpdatedRecords

    return UpdatedRecords(access)


def _cipher(settings: Settings) -> Cipher:
    return FernetCipher(settings.encryption_keys) if settings.encryption_keys else KeyFileCipher(settings.encryption_keys_file)


def _load_dns() -> Dns:
    from skypanel.drivers.dns.authoritative import AuthoritativeDns

    return AuthoritativeDns()


def _load_authority() -> CertificateAuthority:
    from skypanel.drivers.acme.authority import AcmeAuthority

    return AcmeAuthority()


def _load_certificates() -> Certificates:
    from skypanel.drivers.crypto.x509 import X509Certificates

    return X509Certificates()


def _load_mailer() -> Mailer:
    from skypanel.drivers.mail.smtp import SmtpMailer

    return SmtpMailer()


def _load_codes() -> OneTimeCodes:
    from skypanel.drivers.sign_in.totp import TotpCodes

    return TotpCodes()


def _load_passkeys() -> Passkeys:
    from skypanel.drivers.sign_in.passkeys import WebauthnPasskeys

    return WebauthnPasskeys()


def _load_machines() -> Machines:
    from skypanel.drivers.ssh.machines import SshMachines

    return SshMachines()


def _load_error_pages() -> ErrorPages:
    from skypanel.drivers.error_pages import HttpErrorPages

    return HttpErrorPages()


def _load_receivers() -> Receivers:
    from skypanel.drivers.webhooks.receivers import HttpReceivers

    return HttpReceivers()


def _load_log_drains() -> LogDrains:
    from skypanel.drivers.log_drains.servers import LogServers

    return LogServers()


def _load_notifier() -> Notifier:
    from skypanel.drivers.notifier.services import AppriseNotifier

    return AppriseNotifier()


def _load_remotes(settings: Settings) -> Remotes:
    from skypanel.drivers.git.remote.remotes import GitRemotes

    return GitRemotes(settings.repositories)


def _load_runtimes(settings: Settings) -> Runtimes:
    from skypanel.drivers.runtimes.kept import KeptRuntimes

    return KeptRuntimes(settings.runtimes)


def _load_swarm(settings: Settings) -> Swarm:
    from skypanel.drivers.docker.stack import define
    from skypanel.drivers.swarm.nodes import SwarmNodes

    return SwarmNodes(settings.docker_host, (define(StackImage.RUN).name,))
