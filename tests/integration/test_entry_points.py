"""The panel's processes as supervisord starts them: by a home, and nothing else."""

import asyncio
import os
import signal
import socket
import sys
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path

import aiohttp
import pytest
from celery import Celery
from cryptography.fernet import Fernet

from skypanel.domain.routing import PROXY_TOKEN_HEADER
from skypanel.embedded.certificates import issue, make_authority, panel_hosts
from skypanel.embedded.processes import Binaries, worker_argv
from skypanel.settings import panel_json
from skypanel.settings.declaration import Chosen
from tests.fixtures.valkey import PASSWORD
from tests.support.ports import free_ports
from tests.support.until import until


def free_port():
    return free_ports(1)[0]


@pytest.fixture
def web_port():
    return free_port()


@pytest.fixture
def rendezvous_port():
    return free_port()


@pytest.fixture
def environment(valkey, web_port, rendezvous_port, tmp_path):
    """The environment of a panel whose database never answers."""
    home = tmp_path / "home"
    (home / "keys").mkdir(parents=True)
    secrets = {"postgres": "none", "valkey": PASSWORD}
    for name, secret in secrets.items():
        (home / "keys" / f"{name}.password").write_text(secret)
    (home / "keys" / "traefik.token").write_text("a-token")
    (home / "keys" / "encryption.keys").write_bytes(Fernet.generate_key())
    pair = issue(make_authority("localhost", datetime.now(UTC)), panel_hosts("localhost"), datetime.now(UTC))
    (home / "keys" / "panel.crt").write_bytes(pair.certificate)
    (home / "keys" / "panel.key").write_bytes(pair.key)
    chosen = Chosen(
        rendezvous_port=rendezvous_port, run_dir=valkey.folder, web_port=web_port, traefik_port=1,
        uid_base=1 << 20, subnet=IPv4Network("10.9.64.0/18"),
    )  # fmt: skip
    (home / "panel.json").write_text(panel_json.write(chosen))
    return os.environ | {"SKYPANEL_HOME": str(home)}


@pytest.fixture
async def start(environment, tmp_path):
    started = []

    async def start(*argv):
        with (tmp_path / "log").open("ab") as log:
            started.append(await asyncio.create_subprocess_exec(*argv, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def status(url, **headers):
    try:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
            return response.status
    except aiohttp.ClientConnectionError:
        return None


async def test_web_serves_on_its_ports_and_ends_cleanly(start, web_port, rendezvous_port, tmp_path):
    process = await start(sys.executable, "-m", "web")
    url = f"http://127.0.0.1:{web_port}/internal"
    await until(lambda: status(f"{url}/health"))
    assert await status(f"{url}/health") == 200
    assert await status(f"{url}/traefik", **{PROXY_TOKEN_HEADER: "another"}) == 404
    socket.create_connection(("127.0.0.1", rendezvous_port)).close()
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        assert await process.wait() == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_the_worker_answers_the_health_check_and_ends_cleanly(start, valkey, tmp_path):
    binaries = Binaries(python=Path(sys.executable), postgres=Path(), valkey=Path(), traefik=Path())
    process = await start(*worker_argv(binaries))
    with Celery(broker=valkey.broker_url, set_as_current=False) as app:
        await until(lambda: asyncio.to_thread(app.control.ping, [f"worker@{socket.gethostname()}"], timeout=1.0))
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        assert await process.wait() == 0
    assert PASSWORD not in (tmp_path / "log").read_text()
