"""Slugs as images of one daemon: staged before their dynos start, and removed when nothing runs them.

The manager and the agent of each worker node do this at their own daemons. The ids are the same everywhere.
"""

import asyncio
import errno
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import zstandard
from docker import APIClient
from docker.errors import NotFound as NoSuchThing

from skypanel.domain.errors import Conflict, NotFound, Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.storage import ObjectKind
from skypanel.drivers.docker.api import DockerApi, Json
from skypanel.host.layers import BadSlug, Image, image, write_layer
from skypanel.ports.objects import Objects

REPOSITORY = "skypanel-app"
# How many unused images of an app stay, so that a rollback by one release is quick.
SPARE = 1


async def stack_image(docker: DockerApi, name: str) -> Json:
    """Return Docker's description of a stack image. Raises Unavailable if it is missing."""
    try:
        found: Json = await docker.call(lambda client: client.inspect_image(name))
    except NotFound as error:
        raise Unavailable(f"The stack's image {name} is not on this machine.", "Run `skypanel stack build`.") from error
    return found


class SlugImages:
    """The images of slugs at one daemon. `stack` is the name of the run image; `scratch` is a folder with room for a slug."""

    def __init__(self, docker: DockerApi, objects: Objects, stack: str, scratch: Path) -> None:
        self._docker = docker
        self._objects = objects
        self._stack = stack
        self._scratch = scratch

    async def stage(self, app_id: AppId, digest: str) -> str:
        """Make the image of a slug if it is missing, and return its id. Raises Unavailable."""
        tag = _tag(app_id, digest)
        with suppress(NotFound):
            return await self._id(tag)
        stack = await stack_image(self._docker, self._stack)
        with _room():
            self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            with TemporaryDirectory(dir=self._scratch) as folder:
                packed = Path(folder, "slug.zst")
                await self._fetch(digest, packed)
                return await asyncio.to_thread(self._load, packed, stack, tag)

    async def forget(self, app_id: AppId, keep: Collection[str]) -> None:
        """Remove an app's images except those of the slugs in `keep` and the newest other one. An image in use stays."""
        kept = {_tag(app_id, digest) for digest in keep}
        others = await self._docker.call(lambda client: _tags_by_age(client, _repository(app_id)))
        for tag in [tag for tag in others if tag not in kept][SPARE:]:
            with suppress(Conflict, NotFound):
                await self._docker.call(partial(_remove, tag))

    async def forget_all(self, app_id: AppId) -> None:
        """Remove all images of an app whose dynos have stopped, even if their containers still exist."""
        for tag in await self._docker.call(lambda client: _tags_by_age(client, _repository(app_id))):
            with suppress(NotFound):
                await self._docker.call(partial(_remove, tag, force=True))

    async def _id(self, tag: str) -> str:
        found: Json = await self._docker.call(lambda client: client.inspect_image(tag))
        return str(found["Id"])

    async def _fetch(self, digest: str, target: Path) -> None:
        try:
            with target.open("wb") as file:
                async for chunk in self._objects.read(ObjectKind.SLUGS, digest):
                    await asyncio.to_thread(file.write, chunk)
        except NotFound as error:
            raise Unavailable("The slug is not in storage.", "Push again to rebuild it.") from error

    def _load(self, packed: Path, stack: Json, tag: str) -> str:
        with packed.open("rb") as file, TemporaryFile(dir=packed.parent) as layer:
            try:
                with zstandard.ZstdDecompressor().stream_reader(file) as slug:
                    made = image(stack, write_layer(slug, layer), tag)
            except (BadSlug, zstandard.ZstdError) as error:
                raise Unavailable(f"The slug could not be extracted: {error}.", "Push again to rebuild it.") from error
            size_bytes = layer.tell()
            layer.seek(0)
            self._docker.call_here(lambda client: _load(client, made, made.archive(layer, size_bytes)))
        return made.id


def _load(client: APIClient, made: Image, archive: Iterator[bytes]) -> None:
    for answer in client.load_image(archive):
        if "error" in answer:
            raise Unavailable(f"Docker rejects the image of the slug: {answer['error']}", "Check that its disk is not full.")
    client.inspect_image(made.id)


def _remove(tag: str, client: APIClient, *, force: bool = False) -> None:
    client.remove_image(tag, force=force)


def _tags_by_age(client: APIClient, repository: str) -> list[str]:
    """Return a repository's tags, the last loaded first."""
    ages: dict[str, str] = {}
    for tag in [tag for found in client.images(name=repository) for tag in found["RepoTags"] or ()]:
        with suppress(NoSuchThing):  # another process may have removed it
            ages[tag] = client.inspect_image(tag)["Metadata"]["LastTagTime"]
    return sorted(ages, key=lambda tag: ages[tag], reverse=True)


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        wrong = "The disk where slugs are unpacked is full." if full else f"A slug cannot be unpacked: {error.strerror}."
        raise Unavailable(wrong, "Free some space on it, then try again.") from error


def _repository(app_id: AppId) -> str:
    return f"{REPOSITORY}-{app_id.hex}"


def _tag(app_id: AppId, digest: str) -> str:
    return f"{_repository(app_id)}:{digest}"
