"""Converts an uploaded .tgz to a source in a stream. Nothing is extracted, and nothing in it is trusted.

Python's own stream reader is not safe here: a header decides how much it keeps in memory
(https://www.gnu.org/software/tar/manual/html_node/Standard.html, https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html).
"""

import asyncio
import tarfile
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator

from skypanel.domain.archive import MAX_HEADERS, MAX_PLAIN_BYTES, Contents, unfit, unreadable
from skypanel.domain.errors import Invalid
from skypanel.domain.limits import MIB
from skypanel.domain.transcript import size
from skypanel.drivers.sources import tar as source_tar

GZIP = 31  # zlib's wbits for a gzip stream
PIECE_BYTES = MIB
MAX_EXTENSION_BYTES = MIB // 4
MAX_DIGITS = 15
FILES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})
EXTENSIONS = frozenset({tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK})


class TarballArchives:
    """Archives as `tar -czf` and `git archive --format=tar.gz` make them, of at most `max_plain_bytes` uncompressed."""

    def __init__(self, max_plain_bytes: int = MAX_PLAIN_BYTES) -> None:
        self._max_plain_bytes = max_plain_bytes

    async def source(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Yield an uploaded .tgz as a source. Raises Invalid at the first entry that must not become a file."""
        rewriting = _Rewriting(self._max_plain_bytes)
        async for chunk in chunks:
            written = rewriting.feed(chunk)
            while (piece := await asyncio.to_thread(next, written, None)) is not None:
                yield piece
        yield rewriting.end()


class _Rewriting:
    """Converts the compressed bytes of an upload to those of a source."""

    def __init__(self, max_plain_bytes: int) -> None:
        self._max_plain_bytes = max_plain_bytes
        self._inflate = zlib.decompressobj(GZIP)
        self._reader = _Reader()
        self._compressor = source_tar.compressor()
        self._plain_bytes = 0
        self._is_ended = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the output for these bytes, piece by piece. Raises Invalid."""
        while chunk and not self._is_ended:
            piece, chunk = self._next(chunk)
            self._plain_bytes += len(piece)
            if self._plain_bytes > self._max_plain_bytes:
                raise Invalid(f"The archive unpacks to more than {size(self._max_plain_bytes)}.", "Leave out what the app does not need.")
            yield b"".join(self._compressor.compress(part) for part in self._reader.feed(piece))

    def end(self) -> bytes:
        """Return the rest of the output. Raises Invalid if the archive is incomplete."""
        if not self._inflate.eof:
            raise unreadable()
        self._reader.end()
        return self._compressor.compress(source_tar.END) + self._compressor.flush()

    def _next(self, chunk: bytes) -> tuple[bytes, bytes]:
        """Return some uncompressed bytes, and the compressed bytes that are left."""
        if self._inflate.eof:
            # Another gzip member may follow; zeros pad the last one.
            self._is_ended = not chunk.strip(b"\0")
            if self._is_ended:
                return b"", b""
            self._inflate = zlib.decompressobj(GZIP)
        try:
            piece = self._inflate.decompress(chunk, PIECE_BYTES)
        except zlib.error:
            raise unreadable() from None
        return piece, self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail


class _Reader:
    """Converts the bytes of a tar to those of a source's tar."""

    def __init__(self) -> None:
        self._contents = Contents()
        self._waiting = bytearray()
        self._extensions: dict[str, str] = {}
        self._extension: tarfile.TarInfo | None = None
        self._body_bytes = self._skipped_bytes = self._headers = 0
        self._is_ended = False

    def feed(self, plain: bytes) -> Iterator[bytes]:
        """Yield the output for these bytes. Raises Invalid."""
        self._waiting += plain
        if self._is_ended:
            self._waiting.clear()
        while self._waiting:
            if self._body_bytes:
                body = self._take(min(self._body_bytes, len(self._waiting)))
                self._body_bytes -= len(body)
                yield body
                if not self._body_bytes:
                    yield bytes(self._skipped_bytes)
            elif self._skipped_bytes:
                self._skipped_bytes -= len(self._take(min(self._skipped_bytes, len(self._waiting))))
            elif self._extension is not None:
                if len(self._waiting) < self._extension.size:
                    return
                self._extend(self._extension, self._take(self._extension.size))
            elif len(self._waiting) < tarfile.BLOCKSIZE:
                return
            else:
                yield self._begin(self._take(tarfile.BLOCKSIZE))

    def end(self) -> None:
        """Raise Invalid if the tar is incomplete. The end mark is optional, because some programs omit it."""
        if self._waiting or self._body_bytes or self._skipped_bytes or self._extension or self._extensions:
            raise unreadable()
        self._contents.check()

    def _take(self, count: int) -> bytes:
        taken = bytes(self._waiting[:count])
        del self._waiting[:count]
        return taken

    def _begin(self, block: bytes) -> bytes:
        """Parse a header, and return its output."""
        if not any(block):
            self._is_ended = True
            self._waiting.clear()
            return b""
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise unreadable() from None
        self._headers += 1
        if self._headers > MAX_HEADERS or header.size < 0:
            raise unreadable()
        if header.type in EXTENSIONS:
            if header.size > MAX_EXTENSION_BYTES:
                raise Invalid(
                    f"The archive has metadata of a file of more than {size(MAX_EXTENSION_BYTES)}.",
                    "Create it without extended attributes.",
                )
            self._extension = header
            return b""
        return self._entry(header)

    def _entry(self, header: tarfile.TarInfo) -> bytes:
        extensions, self._extensions = self._extensions, {}
        path, target = extensions.get("path", header.name), extensions.get("linkpath", header.linkname)
        if header.type in FILES and not path.endswith("/"):
            length = _number(extensions["size"].encode(errors="replace")) if "size" in extensions else header.size
            path = self._contents.add_file(path, length)
            self._body_bytes, self._skipped_bytes = length, -length % tarfile.BLOCKSIZE
            return source_tar.file(path, length, is_program=bool(header.mode & 0o111))
        if header.type in FILES or header.type == tarfile.DIRTYPE:
            self._contents.add_folder(path)
            return b""
        if header.type == tarfile.SYMTYPE:
            return source_tar.link(self._contents.add_link(path, target), target)
        if header.type == tarfile.LNKTYPE:
            return source_tar.link(*self._contents.add_hard_link(path, target), tarfile.LNKTYPE)
        raise unfit(path)

    def _extend(self, extension: tarfile.TarInfo, body: bytes) -> None:
        """Parse an extension of the next header: a long name (GNU), or several fields (pax)."""
        self._extension, self._skipped_bytes = None, -len(body) % tarfile.BLOCKSIZE
        if extension.type == tarfile.GNUTYPE_LONGNAME:
            self._extensions["path"] = _text(body.rstrip(b"\0"))
        elif extension.type == tarfile.GNUTYPE_LONGLINK:
            self._extensions["linkpath"] = _text(body.rstrip(b"\0"))
        elif extension.type != tarfile.XGLTYPE:
            self._extensions |= _pax(body)


def _pax(body: bytes) -> dict[str, str]:
    extensions = {}
    while body.strip(b"\0"):
        digits, _, _ = body.partition(b" ")
        length = _number(digits)
        record, body = body[len(digits) + 1 : length], body[length:]
        key, equals, value = record.partition(b"=")
        if not length or not equals or not value.endswith(b"\n") or key.startswith(b"GNU.sparse"):
            raise unreadable()
        extensions[_text(key)] = _text(value[:-1])
    return {key: extensions[key] for key in ("path", "linkpath", "size") if key in extensions}


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > MAX_DIGITS:
        raise unreadable()
    return int(digits)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")
