"""The git objects of a repository and of a push. None is inflated before its size is known.

A pack of a kilobyte can contain an object of gigabytes, so sizes are read from the headers first:
https://git-scm.com/docs/pack-format
"""

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

from dulwich.object_store import DiskObjectStore, OverlayObjectStore
from dulwich.objects import ObjectID, RawObjectID, hex_to_sha
from dulwich.pack import OFS_DELTA, REF_DELTA, Pack

from skypanel.domain.errors import Invalid, Unavailable
from skypanel.domain.push import MAX_FILE_BYTES
from skypanel.domain.transcript import size

HEX_LENGTH = 40
RAW_LENGTH = 20
HEADER_BYTES = 64  # type and size, then the offset or the name of a delta's base: at most 40
# Deflate may begin with a table of codes (RFC 1951). This is more than the table, so the header after it is inflated.
LOOSE_READ_BYTES = 4096
DELTA_HEADER_BYTES = 20  # two sizes
STREAM_BYTES = 4096  # read from a zlib stream at a time
MAX_STREAM_BYTES = 64 * 1024  # a stream without a delta header in so many bytes is an attempt to waste time
MORE = 0x80


class BoundedStore(OverlayObjectStore):
    """Several folders of objects as one store. Reading an object over the size limit raises Invalid."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._stores = [DiskObjectStore(folder, loose_object_size_limit=MAX_FILE_BYTES) for folder in folders]
        self._folders = folders
        super().__init__(list(self._stores))
        self._packs = [pack for store in self._stores for pack in store.packs]
        self._sizes: dict[bytes, tuple[int, int]] = {}

    def close(self) -> None:
        """Close all packs."""
        for store in self._stores:
            store.close()

    def get_raw(self, name: ObjectID | RawObjectID) -> tuple[int, bytes]:
        """Return an object's type and bytes. Raises KeyError if it is missing, Invalid if it is over the limit."""
        _, peak = self.sizes(name)
        if peak > MAX_FILE_BYTES:
            raise Invalid(
                f"An object of the push, or the base of its delta, is {size(peak)}; the limit is {size(MAX_FILE_BYTES)}.",
                "Remove such files from the history that is pushed.",
            )
        return super().get_raw(name)

    def sizes(self, name: ObjectID | RawObjectID) -> tuple[int, int]:
        """Return an object's size, and the size of the largest object that must be inflated to read it. Raises KeyError, Invalid."""
        if name not in self._sizes:
            self._sizes[name] = self._measured(hex_to_sha(ObjectID(name)) if len(name) == HEX_LENGTH else RawObjectID(name))
        return self._sizes[name]

    def _measured(self, raw: RawObjectID) -> tuple[int, int]:
        for pack in self._packs:
            try:
                return self._packed(pack, pack.index.object_offset(raw))
            except KeyError:
                continue
        return self._loose(raw.hex())

    def _loose(self, name: str) -> tuple[int, int]:
        for folder in self._folders:
            try:
                with (folder / name[:2] / name[2:]).open("rb") as file:
                    header = zlib.decompressobj().decompress(file.read(LOOSE_READ_BYTES), HEADER_BYTES)
            except FileNotFoundError:
                continue
            length = int(header.split(b"\0", 1)[0].split(b" ")[1])
            return length, length
        raise KeyError(name)

    def _packed(self, pack: Pack, offset: int) -> tuple[int, int]:
        own: int | None = None
        peak = 0
        while True:
            header = _read(pack, offset)
            kind, length, at = _object_header(header)
            if kind not in {OFS_DELTA, REF_DELTA}:
                return (length if own is None else own), max(peak, length)
            base: int | bytes
            if kind == OFS_DELTA:
                distance, at = _base_distance(header, at)
                base = offset - distance
            else:
                base, at = header[at : at + RAW_LENGTH], at + RAW_LENGTH
            result = _result_size(_delta_header(pack, offset + at))
            own = result if own is None else own
            peak = max(peak, length, result)
            if isinstance(base, int):
                offset = base
                continue
            # A base with a name is in the same pack, because git completes thin packs before it stores them.
            offset = pack.index.object_offset(RawObjectID(base))


def _read(pack: Pack, offset: int, length: int = HEADER_BYTES) -> bytes:
    file = pack.data._file  # noqa: SLF001 - the pack is open already; opening it for each object would be slower than reading it
    if file is None:
        raise Unavailable("A pack was closed while it was read.")
    return os.pread(file.fileno(), length, offset)


def _object_header(header: bytes) -> tuple[int, int, int]:
    """Return an object's type, its stored length, and where its header ends."""
    byte = header[0]
    kind, length, shift, at = (byte >> 4) & 0b111, byte & 0b1111, 4, 1
    while byte & MORE:
        byte = header[at]
        length |= (byte & ~MORE) << shift
        shift, at = shift + 7, at + 1
    return kind, length, at


def _base_distance(header: bytes, at: int) -> tuple[int, int]:
    """Return how far before a delta its base begins, and where this number ends."""
    byte = header[at]
    distance, at = byte & ~MORE, at + 1
    while byte & MORE:
        byte = header[at]
        distance = ((distance + 1) << 7) | (byte & ~MORE)
        at += 1
    return distance, at


def _delta_header(pack: Pack, offset: int) -> bytes:
    inflate = zlib.decompressobj()
    header = b""
    for start in range(offset, offset + MAX_STREAM_BYTES, STREAM_BYTES):
        header += inflate.decompress(_read(pack, start, STREAM_BYTES), DELTA_HEADER_BYTES - len(header))
        if len(header) == DELTA_HEADER_BYTES or inflate.eof:
            return header
    raise Invalid("The pack contains an object that cannot be read.")


def _result_size(header: bytes) -> int:
    """Return the size of a delta's result. The delta starts with two sizes, and the first is its base's."""
    number = shift = 0
    base_passed = False
    for byte in header:
        number |= (byte & ~MORE) << shift
        shift += 7
        if byte & MORE:
            continue
        if base_passed:
            return number
        base_passed, number, shift = True, 0, 0
    raise Invalid("The pack contains a delta without its size.")
