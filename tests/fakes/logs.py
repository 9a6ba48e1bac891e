import asyncio
from datetime import UTC, datetime

from skypanel.domain import terminal
from skypanel.domain.histogram import FAILURES, Histogram
from skypanel.domain.log import LogLine, LogQuery, Source, printed
from skypanel.drivers.logs.matching import matcher

MARK = "[skypanel] "  # how the platform's own lines begin in a dyno's output
TIME = datetime(2024, 1, 1, tzinfo=UTC)


class FakeLogs:
    """Stores lines by app id. What dynos say has the same time. Following never ends."""

    def __init__(self):
        self.stored = {}
        self._changed = asyncio.Event()

    @property
    def lines(self):
        """The lines by app id as (dyno or source, text)."""
        return {app_id: [(line.process, line.text) for line in lines] for app_id, lines in self.stored.items()}

    async def read(self, app, query=None, *, follow=False):
        query = query or LogQuery()
        wanted, seen = matcher(query), len(self.stored.get(app.id, []))
        for line in query.page(sorted(filter(wanted, self.stored.get(app.id, [])), key=lambda line: line.time)):
            yield line
        while follow:
            changed, found = self._changed, list(self.stored.get(app.id, []))
            for line in filter(wanted, found[seen:]):
                yield line
            seen = len(found)
            await changed.wait()

    async def all(self, app, query):
        found = sorted(filter(matcher(query), self.stored.get(app.id, [])), key=lambda line: line.time)
        for line in query.unseen(found):
            yield line

    async def count(self, app, query, buckets):
        lines, failures = [0] * buckets.number, [0] * buckets.number
        async for line in self.all(app, buckets.within(query)):
            number = buckets.at(line.time)
            lines[number] += 1
            failures[number] += line.level in FAILURES
        return Histogram(buckets, lines, failures)

    def trouble(self):
        return None

    async def write(self, app, text, source=Source.API, dyno=""):
        self._add(app.id, [LogLine(dyno, TIME, terminal.clean(text), source)])

    async def append(self, app_id, lines, *, again=False):
        self._add(app_id, [line for line in lines if not again or line not in self.stored.get(app_id, [])])

    async def kept(self):
        return list(self.stored)

    async def oldest(self, app):
        return min((line.time for line in self.stored.get(app.id, [])), default=None)

    async def drop(self, app_id, before):
        self.stored[app_id] = [line for line in self.stored.get(app_id, []) if line.time >= before]

    async def forget(self, app_id, organization_id=None):
        self.stored.pop(app_id, None)

    def add(self, app, dyno, text):
        self._add(app.id, printed(dyno, TIME, text))

    def _add(self, app_id, lines):
        self.stored.setdefault(app_id, []).extend(lines)
        self._changed.set()
        self._changed = asyncio.Event()
