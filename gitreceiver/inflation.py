"""The body of a request as its client meant it: inflated where it came as gzip, a bounded piece at a time."""

import zlib

from skypanel.domain.limits import MIB

GZIP = 16 + zlib.MAX_WBITS  # what zlib calls a gzip header and trailer
PIECE_BYTES = MIB


class Inflation:
    """Takes compressed bytes and gives plain ones. A kilobyte may be a megabyte, so no more than PIECE_BYTES come at once."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(GZIP)
        self._waiting = b""

    def take(self, chunk: bytes) -> None:
        """Put in what has come, once `give` has nothing more."""
        self._waiting = chunk

    def give(self) -> bytes:
        """Return some plain bytes; none where more is needed, or at the end. Raises zlib.error."""
        piece = self._inflate.decompress(self._waiting, PIECE_BYTES)
        self._waiting = self._inflate.unconsumed_tail
        return piece

    @property
    def is_complete(self) -> bool:
        """Whether the compressed bytes have come to their end."""
        return self._inflate.eof
