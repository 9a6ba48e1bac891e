"""Slugs as image layers, and the image of a stack with such a layer on top.

The same slug on the same stack gives the same bytes everywhere. So an image's id identifies its content, and nodes need
no registry to agree. The formats are https://github.com/moby/docker-image-spec/blob/main/spec.md and tar's.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, cast

from skypanel.host import dyno

# The unprivileged user of the stack's images.
UID = 1000
APP = "app"
BLOCK_BYTES = 1024 * 1024
_LAYER = "slug.tar"
_KEPT_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.GNUTYPE_SPARSE)


class BadSlug(Exception):
    """A slug is not a tar archive, or contains paths outside of it."""


@dataclass(frozen=True)
class Image:
    """An image in the format of `docker load`: its configuration, and how many layers its stack has."""

    config: bytes
    tag: str
    stack_layers: int

    @property
    def id(self) -> str:
        """The image's id: the digest of its configuration."""
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"

    def archive(self, layer: IO[bytes], size_bytes: int) -> Iterator[bytes]:
        """Yield the archive for `docker load`. It names the stack's layers without their content, as the daemon has them."""
        name = f"{self.id.removeprefix('sha256:')}.json"
        layers = [f"stack{number}.tar" for number in range(self.stack_layers)]
        listing = [{"Config": name, "RepoTags": [self.tag], "Layers": [*layers, _LAYER]}]
        yield from _small(name, self.config)
        yield from _small("manifest.json", json.dumps(listing).encode())
        yield _header(_LAYER, size_bytes)
        while block := layer.read(BLOCK_BYTES):
            yield block
        yield b"\0" * (-size_bytes % tarfile.BLOCKSIZE) + b"\0" * 2 * tarfile.BLOCKSIZE


def image(stack: Mapping[str, Any], diff_id: str, tag: str) -> Image:
    """Return the image of a stack with one more layer. `stack` is Docker's description of the stack's image."""
    layers = list(stack["RootFS"]["Layers"])
    config = {
        "architecture": stack["Architecture"],
        "os": stack["Os"],
        "created": "1970-01-01T00:00:00Z",
        "config": {"Env": stack["Config"].get("Env") or [], "User": f"{UID}:{UID}", "WorkingDir": f"/{APP}"},
        "rootfs": {"type": "layers", "diff_ids": [*layers, diff_id]},
        "history": [],
    }
    return Image(json.dumps(config, sort_keys=True).encode(), tag, len(layers))


def write_layer(slug: IO[bytes], target: IO[bytes]) -> str:
    """Write the layer of an uncompressed slug, and return its diff id. Raises BadSlug."""
    hashed = _Hashed(target)
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", hashed), mode="w|", format=tarfile.GNU_FORMAT) as layer:
            layer.addfile(_folder(APP, UID))
            _copy(slug, layer)
            layer.addfile(_folder(dyno.FOLDER, 0))
            for name, body in dyno.scripts().items():
                layer.addfile(_file(name, len(body)), io.BytesIO(body))
    except tarfile.TarError as error:
        raise BadSlug(str(error)) from error
    return f"sha256:{hashed.digest.hexdigest()}"


class _Hashed:
    """A file that hashes what is written to it."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.digest = hashlib.sha256()

    def write(self, body: bytes) -> int:
        self.digest.update(body)
        return self._target.write(body)


def _copy(slug: IO[bytes], layer: tarfile.TarFile) -> None:
    with tarfile.open(fileobj=slug, mode="r|") as entries:
        for entry in entries:
            if entry.type not in _KEPT_TYPES:
                continue
            entry.name = _inside(entry.name)
            # Docker accepts each path only once.
            if entry.name == APP:
                continue
            if entry.islnk():
                entry.linkname = _inside(entry.linkname)
            entry.uid = entry.gid = UID
            entry.uname = entry.gname = ""
            entry.pax_headers = {}
            layer.addfile(entry, entries.extractfile(entry) if entry.isreg() else None)


def _inside(name: str) -> str:
    """Return the path in the layer for a path in the slug. Raises BadSlug."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise BadSlug(f"{name!r} leads out of the slug")
    return "/".join((APP, *parts))


def _folder(name: str, uid: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, uid, uid
    return entry


def _file(name: str, size_bytes: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = 0o755, size_bytes
    return entry


def _header(name: str, size_bytes: int) -> bytes:
    return _file(name, size_bytes).tobuf(format=tarfile.GNU_FORMAT)


def _small(name: str, body: bytes) -> Iterator[bytes]:
    yield _header(name, len(body)) + body + b"\0" * (-len(body) % tarfile.BLOCKSIZE)
