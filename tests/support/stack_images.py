"""The stack images in the tests' daemons. Their files are made once per machine, and cached by their definition.

This takes minutes, so `make test` does it before the first test: `python -m tests.support.stack_images`.
"""

import asyncio
import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from skypanel.domain.stack import Definition, StackImage
from skypanel.drivers.docker import stack
from skypanel.drivers.docker.api import DockerApi

CACHE = Path("/var/cache/skypanel-tests")


def stack_image(url: str, image: StackImage) -> str:
    """Import an image into a daemon if it lacks it, and return its name."""
    docker, definition = DockerApi(url), stack.define(image)
    try:
        if not docker.call_here(lambda client: client.images(definition.name)):
            with root_archive(definition).open("rb") as archive:
                stack.import_root(docker, definition, archive)
    finally:
        asyncio.run(docker.close())
    return definition.name


def root_archive(definition: Definition) -> Path:
    """Return the image's files as a tar, made if it is missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{definition.image}-{definition.tag}.tar"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                stack.write_root(definition, file)
            part.rename(path)
    return path


if __name__ == "__main__":
    # Each is mostly one process of dpkg's, and leaves other processors idle.
    with ThreadPoolExecutor() as pool:
        list(pool.map(root_archive, map(stack.define, StackImage)))
