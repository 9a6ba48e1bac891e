"""The composition root: which driver fills which port of a panel."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from types import ModuleType

from skypanel.domain.storage import Storage, StorageKind
from skypanel.drivers.celery import CeleryQueue
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.crypto.argon2 import Argon2Passwords
from skypanel.drivers.crypto.fernet import FernetCipher
from skypanel.drivers.crypto.key_file import KeyFileCipher
from skypanel.drivers.git.repositories import DulwichRepositories
from skypanel.drivers.on_demand import MachinesOnDemand, RemotesOnDemand, RuntimesOnDemand, SwarmOnDemand
from skypanel.drivers.output.streams import StreamOutput, connect
from skypanel.drivers.sources.upload import TarballArchives
from skypanel.drivers.storage.chosen import ChosenObjects
from skypanel.drivers.storage.files import FileObjects
from skypanel.engines import Elsewhere, OpenEngine
from skypanel.flow import staging, stopping, storage
from skypanel.ports.crypto import Cipher
from skypanel.ports.objects import Objects
from skypanel.ports.panel import Panel
from skypanel.settings import Settings
from skypanel.store.engine import Postgres


@asynccontextmanager
async def open_panel(settings: Settings) -> AsyncIterator[Panel]:
    """Open the panel of a home for one event loop. Nothing is asked of any server yet."""
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
        open_engine: OpenEngine = preload(settings).open_engine
        elsewhere = Elsewhere(partial(staging.stage_elsewhere, database), partial(stopping.stop_elsewhere, database))
        engine = open_engine(settings, objects, clock, stack, elsewhere)
        yield Panel(
            address=settings.address,
            database=database,
            scheduler=engine.scheduler,
            builder=engine.builder,
            runtimes=RuntimesOnDemand(settings.runtimes),
            upkeep=engine.upkeep,
            router=engine.router,
            objects=objects,
            open_objects=open_objects,
            output=output,
            queue=queue,
            logs=engine.logs,
            cipher=cipher,
            passwords=Argon2Passwords(),
            repositories=DulwichRepositories(settings.repositories),
            archives=TarballArchives(),
            remotes=RemotesOnDemand(settings.repositories),
            swarm=SwarmOnDemand(settings.docker_host),
            machines=MachinesOnDemand(),
            clock=clock,
        )


def preload(settings: Settings) -> ModuleType:
    """Import the engine, so that processes that are forked after it have it in common, and return its module."""
    return import_module(f"skypanel.engines.{settings.engine}")


def _open_objects(settings: Settings, chosen: Storage) -> Objects:
    if chosen.kind is StorageKind.FILES:
        return FileObjects(settings.objects)
    # Its SDK takes more memory than all the rest of a process: only where it is wanted.
    opened: Objects = import_module("skypanel.drivers.storage.s3").S3Objects(chosen, settings.scratch)
    return opened


def _cipher(settings: Settings) -> Cipher:
    return FernetCipher(settings.encryption_keys) if settings.encryption_keys else KeyFileCipher(settings.encryption_keys_file)
