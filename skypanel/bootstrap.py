"""The composition root: which driver fills which port of a panel."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module

from skypanel.drivers.argon2 import Argon2Passwords
from skypanel.drivers.celery import CeleryQueue
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.dulwich import DulwichRepositories
from skypanel.drivers.files import FileObjects
from skypanel.drivers.key_file import KeyFileCipher
from skypanel.drivers.streams import StreamOutput, connect
from skypanel.engines import OpenEngine
from skypanel.ports import Panel
from skypanel.settings import Settings
from skypanel.store.engine import Postgres


@asynccontextmanager
async def open_panel(settings: Settings) -> AsyncIterator[Panel]:
    """Open the panel of a home for one event loop. Nothing is asked of any server yet."""
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        objects = FileObjects(settings.objects)
        database = Postgres(settings.database_dsn)
        stack.push_async_callback(database.close)
        output = StreamOutput(connect(settings.valkey_url), settings.spool, objects)
        stack.push_async_callback(output.close)
        queue = CeleryQueue(settings.broker_url)
        stack.push_async_callback(queue.close)
        open_engine: OpenEngine = import_module(f"skypanel.engines.{settings.engine}").open_engine
        engine = open_engine(settings, objects, clock, stack)
        yield Panel(
            address=settings.address,
            database=database,
            scheduler=engine.scheduler,
            builder=engine.builder,
            router=engine.router,
            objects=objects,
            output=output,
            queue=queue,
            logs=engine.logs,
            cipher=KeyFileCipher(settings.encryption_keys_file),
            passwords=Argon2Passwords(),
            repositories=DulwichRepositories(settings.repositories),
            clock=clock,
        )
