"""Decompresses gzip request bodies, in pieces of bounded size."""

import zlib

from skypanel.domain.limits import MIB

GZIP = 16 + zlib.MAX_WBITS  # makes zlib expect a gzip header and trailer
PIECE_BYTES = MIB


class Inflation:
    """Takes compressed bytes and returns plain ones, at most PIECE_BYTES at a time: a kilobyte may expand to a megabyte."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(GZIP)
        self._waiting = b""

    def take(self, chunk: bytes) -> None:
        """Add compressed bytes. Only allowed when `give` has returned nothing."""
        self._waiting = chunk

    def give(self) -> bytes:
        """Return some plain bytes, or none at the end or if more input is needed. Raises zlib.error."""
        piece = self._inflate.decompress(self._waiting, PIECE_BYTES)
        self._waiting = self._inflate.unconsumed_tail
        return piece

    @property
    def is_complete(self) -> bool:
        """Whether the end of the compressed stream was reached."""
        return self._inflate.eof
