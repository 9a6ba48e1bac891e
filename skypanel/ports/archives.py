"""Uploaded archives."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol


class Archives(Protocol):
    """Converts uploaded archives to sources."""

    def source(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Yield the files of a .tgz as a zstd tar, in the same form as `Repositories.export`.

        Raises Invalid if the archive is incomplete, or if an entry must not become a file.
        """
        ...
