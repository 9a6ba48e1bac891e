"""Health checks of dynos on a real Swarm."""

import json
from itertools import pairwise

import pytest

from skypanel.domain.health import HealthCheck
from skypanel.domain.manifest import DynoState
from skypanel.ports.scheduler import Unready
from tests.contracts.scheduler import READY_S
from tests.fixtures.docker import run_in
from tests.fixtures.launcher import make_app, make_manifest, stored_slug
from tests.fixtures.swarm import engine, objects
from tests.support.until import until

__all__ = ["engine", "objects"]

# Answers GET with the status in the file of that path's name, and prints each time it was asked.
SERVER = """
import http.server, os, pathlib, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        file = pathlib.Path("/app" + self.path)
        status = int(file.read_text()) if file.is_file() else 404
        print(f"{time.monotonic():.2f} {self.path} {status}", flush=True)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
# Takes connections, and says nothing that is HTTP.
SOCKET = """
import os, socketserver

class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"220 ready\\n")

socketserver.ThreadingTCPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


class App:
    """A web dyno under test."""

    def __init__(self, engine, manifest):
        self.engine = engine
        self.manifest = manifest

    @property
    def task(self):
        """The newest task, as Docker lists it."""
        found = self.engine.nodes.docker.client.api.tasks(filters={"label": [f"skypanel.app={self.manifest.app_id}"]})
        return max(found, key=lambda task: task["CreatedAt"])

    @property
    def service(self):
        (found,) = self.engine.nodes.docker.client.api.services(filters={"label": [f"skypanel.app={self.manifest.app_id}"]})
        return found

    def said(self):
        logs = self.engine.nodes.docker.client.api.service_logs(self.service["ID"], stdout=True, stderr=True)
        return b"".join(logs).decode().splitlines()

    def answer(self, path, status):
        _, container = self.engine.container(self.task)
        assert run_in(container, "sh", "-c", f"echo {status} > /app{path}") == 0


@pytest.fixture
def start(engine, objects):
    async def start(files, health=None, command="python3 server.py"):
        app = make_app()
        manifest = make_manifest(app, await stored_slug(objects, files), {"web": (command, 1)}, health=health or HealthCheck())
        await engine.scheduler.stage(app, manifest.slug_digest)
        await engine.scheduler.launch(manifest)
        await engine.scheduler.wait_ready(manifest, READY_S)
        return App(engine, manifest)

    return start


@pytest.mark.req("R3.3")
@pytest.mark.req("R18.1")
@pytest.mark.req("R18.2")
async def test_every_app_is_asked_for_health_every_30_s_unless_it_says_otherwise(start):
    app = await start({"server.py": SERVER, "health": "200"})
    assert "Healthcheck" in app.service["Spec"]["TaskTemplate"]["ContainerSpec"]
    await until(lambda: "[skypanel] Checks the health at /health every 30 s" in app.said())
    assert [line.split()[1:] for line in app.said() if not line.startswith("[") and " /health " in line] == [["/health", "200"]]


@pytest.mark.req("R18.3")
@pytest.mark.req("R18.4")
async def test_an_app_is_asked_at_its_own_path_and_started_anew_after_three_failures_in_a_row(start):
    app = await start({"server.py": SERVER, "ping": "200", "health": "500"}, HealthCheck("/ping", 1))
    before = app.task["ID"]
    await until(lambda: len([line for line in app.said() if " /ping 200" in line]) >= 3)
    times = [float(line.split()[0]) for line in app.said() if " /ping 200" in line]
    assert all(later - earlier >= 1 for earlier, later in pairwise(times[1:]))
    app.answer("/ping", 503)
    await until(lambda: "[skypanel] Health check failed, 2 of 3 in a row" in app.said())
    app.answer("/ping", 200)
    count = len(app.said())
    await until(lambda: any(" /ping 200" in line for line in app.said()[count:]))
    assert app.task["ID"] == before
    app.answer("/ping", 503)
    await until(lambda: app.task["ID"] != before, within_s=90)
    (dyno,) = [dyno for dyno in await app.engine.scheduler.dynos(app.manifest.app_id) if dyno.state is not DynoState.STOPPING]
    assert (dyno.restarts, dyno.reason) == (1, "was stopped: its health checks failed")
    # The new one begins with the files of the slug.
    await until(lambda: app.task["Status"]["State"] == "running", within_s=90)


@pytest.mark.req("R18.5")
@pytest.mark.parametrize("files", [{"server.py": SERVER}, {"server.py": SOCKET}], ids=["not-found", "no-http"])
async def test_where_there_is_no_such_page_the_port_is_tried(start, files):
    app = await start(files, HealthCheck(interval_s=1), "python3 server.py & echo $! > pid; sleep 1000")
    await until(lambda: "[skypanel] Checks the health at port 5000 every 1 s: /health is not there" in app.said())
    before = app.task["ID"]
    _, container = app.engine.container(app.task)
    assert run_in(container, "sh", "-c", "kill $(cat /app/pid)") == 0
    await until(lambda: app.task["ID"] != before, within_s=90)


async def test_the_service_is_the_same_whatever_is_checked(start):
    apps = [await start({"server.py": SERVER, "ping": "200"}, health) for health in (HealthCheck(), HealthCheck("/ping", 7))]
    one, other = (app.service["Spec"]["TaskTemplate"]["ContainerSpec"]["Healthcheck"] for app in apps)
    assert one == other
    assert "/ping" not in json.dumps(apps[1].service)


async def test_an_app_that_answers_with_errors_is_not_ready(engine, objects):
    manifest = make_manifest(
        make_app(), await stored_slug(objects, {"server.py": SERVER, "health": "500"}), {"web": ("python3 server.py", 1)}
    )
    await engine.second_images.stage(manifest.app_id, manifest.slug_digest)
    await engine.scheduler.launch(manifest)
    with pytest.raises(Unready, match="never became healthy: it answered its health check with a server error"):
        await engine.scheduler.wait_ready(manifest, READY_S)
