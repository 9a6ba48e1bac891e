"""Makes the stack images at a Docker daemon: from a Dockerfile if a base can be pulled, otherwise from Debian's packages."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import IO

from docker import APIClient

from skypanel.domain import stack
from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.stack import Definition, StackImage
from skypanel.drivers.docker.api import DockerApi
from skypanel.host.programs import PROGRAMS

BASE = "debian:bookworm-slim"
FOLDER = Path(str(files("skypanel") / "stack"))
_LAST_LINES = 20

Say = Callable[[str], None]


def define(image: StackImage) -> Definition:
    """Return the definition of an image from the stack's folder."""
    tools = {"uv": version("uv")} if image is StackImage.BUILD else {}
    return Definition(image, {path.name: path.read_text() for path in FOLDER.iterdir()}, tools)


def ensure(docker: DockerApi, definition: Definition, say: Say, base: str | None = BASE) -> None:
    """Make an image if the daemon lacks it; its name identifies its contents. Raises Unavailable.

    Without a base nothing is pulled. Blocks this thread, possibly for minutes.
    """
    if docker.call_here(lambda client: bool(client.images(definition.name))):
        say(f"{definition.name} is there already.")
    elif base is not None and _pulled(docker, base, say):
        say(f"Building {definition.name} on {base}")
        docker.call_here(lambda client: _build(client, definition, base, say))
    else:
        say(f"Building {definition.name} from Debian's packages")
        with tempfile.TemporaryFile() as archive:
            write_root(definition, archive)
            archive.seek(0)
            import_root(docker, definition, archive)


def write_root(definition: Definition, target: IO[bytes]) -> None:
    """Write an image's files as a tar. Raises Unavailable."""
    try:
        done = subprocess.run(
            stack.root_command(definition, str(FOLDER), str(PROGRAMS)), check=False, stdout=target, stderr=subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise Unavailable("The images need mmdebstrap, which is not installed.", "Install it: apt install mmdebstrap") from error
    if done.returncode != 0:
        errors = "\n".join(done.stderr.decode(errors="replace").splitlines()[-_LAST_LINES:])
        raise Unavailable(f"mmdebstrap failed:\n{errors}", "Check that this machine can download Debian's packages, then try again.")


def import_root(docker: DockerApi, definition: Definition, archive: IO[bytes]) -> None:
    """Make an image of a tar from `write_root`. Raises Unavailable."""
    made = docker.call_here(
        lambda client: client.import_image_from_data(
            archive, repository=definition.repository, tag=definition.tag, changes=list(stack.changes(definition))
        )
    )
    if '"error"' in str(made):
        raise Unavailable(f"Docker could not import {definition.name}: {made}", "Check that its disk has space, then try again.")


def _pulled(docker: DockerApi, base: str, say: Say) -> bool:
    try:
        docker.call_here(lambda client: client.inspect_image(base))
    except NotFound:
        try:
            docker.call_here(lambda client: client.pull(base))
        except (NotFound, Unavailable) as error:
            say(f"{base} cannot be pulled. {error.message}")
            return False
    return True


def _build(client: APIClient, definition: Definition, base: str, say: Say) -> None:
    events = client.build(
        fileobj=_context(definition),
        custom_context=True,
        buildargs=stack.build_arguments(definition, base),
        tag=definition.name,
        rm=True,
        forcerm=True,
        decode=True,
    )
    for event in events:
        if "error" in event:
            raise Unavailable(f"Docker could not build {definition.name}: {event['error']}", "See the output above.")
        for line in event.get("stream", "").splitlines():
            if line.strip():
                say(line)


def _context(definition: Definition) -> IO[bytes]:
    """Return the build context of the Dockerfile, as a tar."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for name, text in {**definition.files, "Dockerfile": stack.dockerfile(definition)}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
        for name in definition.tools:
            archive.add(PROGRAMS / name, name)
    body.seek(0)
    return body
