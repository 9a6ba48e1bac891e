"""The composition root: which driver fills which port of an embedded panel."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from skypanel.drivers.argon2 import Argon2Passwords
from skypanel.drivers.bubblewrap import BubblewrapBuilder
from skypanel.drivers.celery import CeleryQueue
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.dulwich import DulwichRepositories
from skypanel.drivers.fernet import FernetCipher
from skypanel.drivers.files import FileObjects
from skypanel.drivers.key_file import KeyFileCipher
from skypanel.drivers.launcher import Launcher
from skypanel.drivers.log_files import FileLogs
from skypanel.drivers.on_demand import MachinesOnDemand, SwarmOnDemand
from skypanel.drivers.process import ProcessScheduler
from skypanel.drivers.streams import StreamOutput, connect
from skypanel.drivers.traefik import TraefikRouter
from skypanel.ports import Cipher, Panel
from skypanel.settings import Settings
from skypanel.store.engine import Postgres


@asynccontextmanager
async def open_panel(settings: Settings) -> AsyncIterator[Panel]:
    """Open the panel of a home for one event loop. Nothing is asked of any server yet."""
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        launcher = Launcher(settings.launcher_socket)
        objects = FileObjects(settings.objects)
        database = Postgres(settings.database_dsn)
        stack.push_async_callback(database.close)
        output = StreamOutput(connect(settings.valkey_url), settings.spool, objects)
        stack.push_async_callback(output.close)
        queue = CeleryQueue(settings.broker_url)
        stack.push_async_callback(queue.close)
        yield Panel(
            address=settings.address,
            database=database,
            scheduler=ProcessScheduler(launcher, objects),
            builder=BubblewrapBuilder(launcher),
            router=TraefikRouter(f"http://127.0.0.1:{settings.traefik_port}", settings.traefik_token),
            objects=objects,
            output=output,
            queue=queue,
            logs=FileLogs(settings.logs, clock),
            cipher=_cipher(settings),
            passwords=Argon2Passwords(),
            repositories=DulwichRepositories(settings.repositories),
            swarm=SwarmOnDemand(),
            machines=MachinesOnDemand(),
            clock=clock,
        )


def _cipher(settings: Settings) -> Cipher:
    return FernetCipher(settings.encryption_keys) if settings.encryption_keys else KeyFileCipher(settings.encryption_keys_file)
