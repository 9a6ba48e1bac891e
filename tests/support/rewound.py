"""A real database whose changes can be rolled back at the end of a block."""

import asyncio
from contextlib import asynccontextmanager

from sqlalchemy import text


class Rewound:
    """While `undone` runs, transactions are savepoints of a single one. Otherwise they are the database's own."""

    def __init__(self, database):
        self._database = database
        self._whole = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def undone(self):
        async with self._database.transaction() as whole:
            await whole.execute(text("SAVEPOINT whole"))
            self._whole = whole
            try:
                yield
            finally:
                self._whole = None
                await whole.execute(text("ROLLBACK TO whole"))

    def transaction(self):
        return self._database.transaction() if self._whole is None else self._part()

    def autocommit(self):
        return self._database.autocommit() if self._whole is None else self._part()

    @asynccontextmanager
    async def _part(self):
        async with self._turn:
            await self._whole.execute(text("SAVEPOINT part"))
            try:
                yield self._whole
            except BaseException:
                await self._whole.execute(text("ROLLBACK TO part"))
                raise
            await self._whole.execute(text("RELEASE part"))

    async def close(self):
        await self._database.close()
