"""Health checks of each part of a running panel."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import aiohttp
import aiopg
import psycopg2
import redis.asyncio
from celery import Celery
from redis.exceptions import RedisError

from skypanel.embedded.database import server_dsn
from skypanel.embedded.processes import worker_names
from skypanel.settings import Settings
from skypanel.tasks import together

PATIENCE_S = 2.0


@dataclass(frozen=True)
class Service:
    """One part: its log's name, its title for people, its check, and the timeout of its start in seconds."""

    name: str
    title: str
    answers: Callable[[Settings], Awaitable[bool]]
    timeout_s: float = 60.0


async def postgres_answers(settings: Settings) -> bool:
    """Whether the database answers a query."""
    try:
        async with aiopg.connect(server_dsn(settings), timeout=PATIENCE_S) as connection, connection.cursor() as cursor:
            await cursor.execute("SELECT 1")
            return True
    except (psycopg2.Error, TimeoutError):
        return False


async def valkey_answers(settings: Settings) -> bool:
    """Whether Valkey accepts the password and answers PING."""
    client = redis.asyncio.Redis.from_url(settings.valkey_url, socket_timeout=PATIENCE_S)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()


async def traefik_answers(settings: Settings) -> bool:
    """Whether Traefik answers its ping."""
    return await _is_ok(f"http://127.0.0.1:{settings.traefik_port}/ping")


async def public_ports_answer(settings: Settings) -> bool:
    """Whether Traefik routes to the dashboard on both of its ports.

    The first request at each port also tells the plugin which server it is in. Only then are slow request bodies allowed.
    """
    address = settings.address
    ports = {"http": address.http_port, "https": address.https_port}
    headers = {"Host": address.host("skypanel")}
    answers = (_is_ok(f"{scheme}://127.0.0.1:{port}/internal/health", headers) for scheme, port in ports.items())
    return all(await together(*answers))


async def web_answers(settings: Settings) -> bool:
    """Whether the dashboard and the API answer."""
    return await _is_ok(f"http://127.0.0.1:{settings.web_port}/internal/health")


async def receiver_answers(settings: Settings) -> bool:
    """Whether the git receiver sends an SSH greeting (RFC 4253, 4.2) and accepts HTTP connections."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, http = await asyncio.open_connection("127.0.0.1", settings.git_port)
            http.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", settings.address.ssh_port)
            try:
                return (await reader.read(4)) == b"SSH-"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def launcher_answers(settings: Settings) -> bool:
    """Whether the launcher accepts connections."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_unix_connection(settings.launcher_socket)
            writer.close()
            return True
    except (OSError, TimeoutError):
        return False


async def works(kind: str, settings: Settings) -> bool:
    """Whether the worker process of a kind answers Celery's ping. True if this panel has none."""
    name = worker_names(settings.queues).get(kind)
    return name is None or await asyncio.to_thread(_celery_answers, settings, name)


def _celery_answers(settings: Settings, name: str) -> bool:
    with Celery(broker=settings.broker_url, set_as_current=False) as app:
        try:
            return bool(app.control.ping(destination=[f"{name}@{socket.gethostname()}"], timeout=1.0))
        except (RedisError, OSError):
            return False


async def _is_ok(url: str, headers: Mapping[str, str] | None = None) -> bool:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S), headers=headers) as session,
            # It has the panel's own certificate, which this machine may not trust.
            session.get(url, ssl=False) as response,
        ):
            return response.ok
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


STORAGE_SERVICES = (Service("postgres", "Postgres", postgres_answers), Service("valkey", "Valkey", valkey_answers))
LAUNCHER_SERVICE = Service("launcher", "launcher", launcher_answers, 20.0)
PUBLIC_PORTS = Service("traefik", "public ports", public_ports_answer)
PANEL_SERVICES = (
    Service("web", "dashboard", web_answers),
    Service("traefik", "Traefik", traefik_answers),
    PUBLIC_PORTS,
    Service("receiver", "git receiver", receiver_answers),
    Service("worker", "worker", partial(works, "deploys")),
    Service("schedule", "schedule", partial(works, "schedule")),
)
SERVICES = (*STORAGE_SERVICES, LAUNCHER_SERVICE, *PANEL_SERVICES)
