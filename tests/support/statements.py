"""Counts SQL statements."""

from contextlib import asynccontextmanager


class Counting:
    """A database that counts the statements of its transactions."""

    def __init__(self, database):
        self._database = database
        self.count = 0

    @asynccontextmanager
    async def transaction(self):
        async with self._database.transaction() as conn:
            yield _Counted(self, conn)

    @asynccontextmanager
    async def autocommit(self):
        async with self._database.autocommit() as conn:
            yield _Counted(self, conn)


class _Counted:
    def __init__(self, counting, conn):
        self._counting, self._conn = counting, conn

    def _counted(self, name):
        async def run(*statement):
            self._counting.count += 1
            return await getattr(self._conn, name)(*statement)

        return run

    def __getattr__(self, name):
        return self._counted(name)
