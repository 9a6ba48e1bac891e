"""Uploaded sources."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol


class Archives(Protocol):
    """Trees that are uploaded instead of pushed."""

    def source(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Yield the files of a .tgz as a zstd tar, as `Repositories.export` does for a commit.

        Raises Invalid for what is no whole archive, and where something in it must not become a file.
        """
        ...
