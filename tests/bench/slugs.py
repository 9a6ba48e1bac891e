"""A staged slug's way to its first answer on a Swarm, beside plain containers of the same files; and the other way to stage one."""

import asyncio
import io
import socket
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import perf_counter, sleep

from skypanel.domain.app import App
from skypanel.domain.manifest import Manifest
from skypanel.domain.stack import StackImage
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.docker.images import SlugImages
from skypanel.drivers.swarm.scheduler import SwarmOptions, SwarmScheduler
from tests.bench.figures import Figure, compared, in_pairs, single
from tests.bench.stage import Stage
from tests.fakes.objects import FakeObjects
from tests.fixtures.docker import Docker, running_docker
from tests.fixtures.launcher import SERVER, make_app, make_manifest, stored_slug
from tests.support.stack_images import stack_image

PAIRS = 7
FILES, FILE_BYTES = 500, 100_000
PORT = 8000
COMMAND = "python3 server.py"
PEER = "docker run"
POLL_S = 0.005
READY_S = 60.0


def overhead(stage: Stage) -> list[Figure]:
    """Start a slug of 50 MB as the Swarm's scheduler does, from its image alone, and from a mount; each beside a baked image."""
    with running_docker() as docker, asyncio.Runner() as runner:
        stack = stack_image(docker.url, StackImage.RUN)
        api, objects = DockerApi(docker.url), FakeObjects()
        scratch = docker.bridge.base / "scratch"
        images = SlugImages(api, objects, stack, scratch)
        scheduler = SwarmScheduler(api, "bench", images, SwarmOptions("dnsrr", 3.0))
        files = {"server.py": SERVER, **_files()}
        digest = runner.run(stored_slug(objects, files))
        baked = _bake(docker, stack, files)
        stagings = [_timed(lambda: runner.run(images.stage(make_app().id, digest))) for _ in range(PAIRS)]
        app, mount = make_app(), Mount(docker, files)
        staged = runner.run(images.stage(app.id, digest))

        def plain(_: int) -> float:
            return _first_answer(docker, baked)

        def scheduled(number: int) -> float:
            return runner.run(_launched(scheduler, app, make_manifest(app, digest, {"web": (COMMAND, 1)}, version=number + 1)))

        found = [
            compared("start.overhead", *in_pairs(scheduled, plain, PAIRS), PEER),
            compared("start.layer", *in_pairs(lambda _: _first_answer(docker, staged), plain, PAIRS), PEER),
            compared("start.mount", *in_pairs(lambda _: _first_answer(docker, stack, mount), plain, PAIRS), PEER),
            single("stage.layer", stagings),
            single("stage.mount", [_timed(mount.extract) for _ in range(PAIRS)]),
        ]
        runner.run(scheduler.remove(app.id))
        runner.run(api.close())
        return found


class Mount:
    """The other way: a slug that is extracted once a node, and a copy-on-write mount of it for each dyno."""

    def __init__(self, docker: Docker, files: dict[str, str]) -> None:
        self._docker = docker
        self._base = docker.manager.base / "data" / "mounts"
        self._base.mkdir()
        self._packed = self._base / "slug.tar"
        self._packed.write_bytes(_packed(files))
        self._number = 0
        self.extract()

    def extract(self) -> None:
        self._number += 1
        self.slug = self._base / f"slug-{self._number}"
        self.slug.mkdir()
        subprocess.run(["tar", "-xf", str(self._packed), "-C", str(self.slug), "--strip-components=1"], check=True)

    def make(self) -> Path:
        """Mount it for one more dyno, where the daemon sees it."""
        self._number += 1
        upper, work, merged = (self._base / f"{name}-{self._number}" for name in ("upper", "work", "merged"))
        for folder in (upper, work, merged):
            folder.mkdir()
        options = f"lowerdir={self.slug},upperdir={upper},workdir={work}"
        inside = ("nsenter", f"--mount=/proc/{_child(self._docker)}/ns/mnt")
        subprocess.run([*inside, "mount", "-t", "overlay", "overlay", "-o", options, str(merged)], check=True)
        return merged


def _child(docker: Docker) -> int:
    """Return a process in the daemon's namespaces: what `unshare` forked."""
    return int(Path(f"/proc/{docker.manager.pid}/task/{docker.manager.pid}/children").read_text().split()[0])


async def _launched(scheduler: SwarmScheduler, app: App, manifest: Manifest) -> float:
    began = perf_counter()
    await scheduler.launch(manifest)
    await scheduler.wait_ready(manifest, READY_S)
    took = perf_counter() - began
    await scheduler.retire(Manifest.empty(app))
    while await scheduler.dynos(app.id):  # noqa: ASYNC110 - Swarm tells of no end
        await asyncio.sleep(POLL_S)
    return took


def _first_answer(docker: Docker, image: str, mount: Mount | None = None) -> float:
    """Start a container whose port is published, ask it until it answers, and remove it."""
    client = docker.client.api
    began = perf_counter()
    binds = {str(mount.make()): {"bind": "/app", "mode": "rw"}} if mount else None
    host = client.create_host_config(init=True, port_bindings={PORT: PORT}, binds=binds)
    made = client.create_container(
        image, ["bash", "-c", COMMAND], ports=[PORT], environment={"PORT": PORT}, working_dir="/app", host_config=host
    )
    client.start(made["Id"])
    while not _answers(docker.address):
        sleep(POLL_S)
    took = perf_counter() - began
    client.remove_container(made["Id"], force=True)
    return took


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, PORT), 1) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(4).startswith(b"HTTP")
    except OSError:
        return False


def _bake(docker: Docker, stack: str, files: dict[str, str]) -> str:
    """Return an image that has the files as one more layer, as a Dockerfile's COPY makes it."""
    made = docker.client.api.create_container(stack, ["true"])
    docker.client.api.put_archive(made["Id"], "/", _packed(files))
    image = docker.client.api.commit(made["Id"], repository="baked")
    docker.client.api.remove_container(made["Id"])
    return str(image["Id"])


def _packed(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"app/{name}")
            entry.size, entry.mode = len(text), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def _files() -> dict[str, str]:
    """Return 50 MB that do not compress well."""
    random = Random(1)
    return {f"vendor/{number}.txt": random.randbytes(FILE_BYTES // 2).hex() for number in range(FILES)}


def _timed(act: Callable[[], object]) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began
