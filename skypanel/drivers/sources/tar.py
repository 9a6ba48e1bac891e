"""The stored form of a source: a canonical zstd tar, without authors and times."""

import tarfile

import zstandard

# 1980 and not 1970: zip files, and so Python wheels, cannot store earlier times.
MTIME = 315532800
COMPRESSION_LEVEL = 3
END = bytes(2 * tarfile.BLOCKSIZE)


def compressor() -> "zstandard.ZstdCompressionObj":
    """Return a compressor for a source's tar."""
    return zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compressobj()


def file(path: str, size_bytes: int, *, is_program: bool) -> bytes:
    """Return the header of a file. Its body and the body's padding must follow."""
    header = _header(path)
    header.mode, header.size = 0o755 if is_program else 0o644, size_bytes
    return _bytes(header)


def link(path: str, target: str, kind: bytes = tarfile.SYMTYPE) -> bytes:
    """Return the header of a link, which has no body."""
    header = _header(path)
    header.type, header.mode, header.linkname = kind, 0o777, target
    return _bytes(header)


def padding(size_bytes: int) -> bytes:
    """Return the padding after a body of that size."""
    return bytes(-size_bytes % tarfile.BLOCKSIZE)


def _header(path: str) -> tarfile.TarInfo:
    header = tarfile.TarInfo(path)
    header.mtime = MTIME
    return header


def _bytes(header: tarfile.TarInfo) -> bytes:
    return header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
