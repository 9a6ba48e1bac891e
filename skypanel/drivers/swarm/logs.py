"""Logs of dynos on a Swarm: files of collected lines, and lines at Docker that no collector has delivered yet.

The agent of every node, and the collector of the panel's own machine, deliver their dynos' lines within a second.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from heapq import merge

from docker import APIClient

from skypanel.domain.app import App
from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.histogram import Buckets, Histogram
from skypanel.domain.ids import AppId, OrganizationId
from skypanel.domain.log import NEWEST, LogLine, LogQuery, Source, moment, printed
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.logs.files import POLL_S, FileLogs, Folder, in_chunks
from skypanel.drivers.logs.matching import matcher
from skypanel.drivers.swarm.services import Services
from skypanel.drivers.swarm.tasks import Slot
from skypanel.tasks import together

# How long a reader waits for a node that does not answer. The lines that it delivered are in the files.
ANSWER_S = 5.0
LAST_LINES = 120
# How many lines of each service Docker is asked for, of which a query may want few.
UNCOLLECTED_LINES = 1000
_FRAME = re.compile(r"(\S+Z) (?:\S*,)?com\.docker\.swarm\.task\.id=([a-z0-9]+)\S* (.*?)\n?", re.DOTALL)


class DockerLogs:
    """The logs of a panel's dynos, at a daemon and in `files`. The platform's own lines are only in `files`."""

    def __init__(self, docker: DockerApi, panel: str, files: FileLogs) -> None:
        self._docker = docker
        self._services = Services(docker, panel)
        self._files = files

    async def read(self, app: App, query: LogQuery = NEWEST, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """Yield a page of an app's lines, oldest first, and with `follow` new lines until cancelled. Raises Invalid for a bad pattern."""
        wanted = matcher(query)
        last = max(query.longest_page, UNCOLLECTED_LINES)
        with closing(self._files.open(app.id, query.dyno)) as folder:
            early = await self._early(app, folder, last)
            stored = await asyncio.to_thread(folder.candidates, query, wanted)
            for line in query.page(sorted([*stored, *filter(wanted, early.lines)], key=_moment)):
                yield line
            while follow:
                for line in await asyncio.to_thread(folder.fresh):
                    if wanted(line) and not early.has(line):
                        yield line
                await asyncio.sleep(POLL_S)

    async def all(self, app: App, query: LogQuery) -> AsyncIterator[LogLine]:
        """Yield all lines that the query admits, oldest first, in bounded memory. Raises Invalid for a bad pattern."""
        wanted = matcher(query)
        with closing(self._files.open(app.id, query.dyno)) as folder:
            early = await self._early(app, folder, UNCOLLECTED_LINES)
            uncollected = sorted(filter(wanted, early.lines), key=_moment)
            async for line in in_chunks(query.unseen(merge(folder.forwards(query, wanted), uncollected, key=_moment))):
                yield line

    async def count(self, app: App, query: LogQuery, buckets: Buckets) -> Histogram:
        """Count the collected lines that the query admits. Raises Invalid for a bad pattern."""
        return await self._files.count(app, query, buckets)

    def trouble(self) -> None:
        """Return None: what Docker does not answer is in the files."""

    async def write(self, app: App, text: str, source: Source = Source.API, dyno: str = "") -> None:
        """Append a line of the platform about an app, or about one of its dynos."""
        await self._files.write(app, text, source, dyno)

    async def append(self, app_id: AppId, lines: Sequence[LogLine], *, again: bool = False) -> None:
        """Append collected lines. With `again`, some of them may be stored already and are skipped."""
        await self._files.append(app_id, lines, again=again)

    async def kept(self) -> Sequence[AppId]:
        """Return the apps that have lines."""
        return await self._files.kept()

    async def oldest(self, app: App) -> datetime | None:
        """Return the time of an app's oldest line, or None if it has none."""
        return await self._files.oldest(app)

    async def drop(self, app_id: AppId, before: datetime) -> None:
        """Delete the files of an app that were last written before a time. Raises Unavailable."""
        await self._files.drop(app_id, before)

    async def forget(self, app_id: AppId, organization_id: OrganizationId | None = None) -> None:  # noqa: ARG002 - the port's
        """Delete an app's lines."""
        await self._files.forget(app_id)

    async def _early(self, app: App, folder: Folder, last: int) -> "Early":
        """Return what Docker has and the files lack, and move to the ends of the files."""
        tails = await asyncio.to_thread(folder.tails, last)
        return Early(tails, await self._at_docker(app, last), last)

    async def _at_docker(self, app: App, last: int) -> list[LogLine]:
        """Return the last lines of each dyno that Docker still has; none if it does not answer in time."""
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                services, tasks = await together(self._services.of(app.id), self._services.tasks(app.id))
                names = {task.id: task.key.name for task in tasks}
                written = await together(*(self._written(service.id, last) for service in services))
                return [line for frames in written for line in read_frames(frames, names)]
        return []

    async def _written(self, service_id: str, last: int) -> Sequence[bytes]:
        try:
            return await self._docker.call(lambda client: _logs(client, service_id, last))
        except NotFound:
            return []


class Early:
    """Lines that Docker has and the files lack.

    `tails` are the last lines in the files, by dyno. `last` is how many lines Docker was asked for.
    """

    def __init__(self, tails: Mapping[str, Sequence[str]], at_docker: Sequence[LogLine], last: int) -> None:
        stored = Counter(line for tail in tails.values() for line in tail)
        # A full tail does not show older lines, which are earlier in the file.
        collected = {dyno: min(map(_time, tail)) for dyno, tail in tails.items() if len(tail) >= last}
        self.lines: list[LogLine] = []
        found = defaultdict[str, list[LogLine]](list)
        for each in at_docker:
            line = str(each)
            found[each.dyno].append(each)
            if stored[line] > 0:
                stored[line] -= 1
            elif each.stamp >= collected.get(each.dyno, ""):
                self.lines.append(each)
        self._left = Counter(self.lines)
        self._since = {dyno: min(line.time for line in lines) for dyno, lines in found.items() if len(lines) >= last}

    def has(self, line: LogLine) -> bool:
        """Whether a newly collected line is one of these or older. Each match counts once."""
        if self._left[line] > 0:
            self._left[line] -= 1
            return True
        since = self._since.get(line.dyno)
        return since is not None and line.time < since


def read_frames(frames: Iterable[bytes], names: Mapping[str, str]) -> list[LogLine]:
    """Parse the log of a service's tasks, one line in each frame. `names` maps ids of tasks to names of dynos."""
    matches = (_FRAME.fullmatch(frame.decode(errors="replace")) for frame in frames)
    return [line for match in matches if match and match[2] in names for line in printed(names[match[2]], moment(match[1]), match[3])]


async def last_lines(docker: DockerApi, slot: Slot, lines: int = LAST_LINES) -> Sequence[str]:
    """Return the last lines of a dyno's last ended task, or else of its running one; none if Docker does not answer in time."""
    task = slot.crashed[-1] if slot.crashed and not slot.task.has_crashed else slot.task
    with suppress(NotFound, Unavailable, TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            # one call returns the lines of all tasks of a service
            frames = await docker.call(lambda client: _logs(client, task.service_id, lines))
            return [str(line) for line in read_frames(frames, {task.id: slot.dyno.key.name})]
    return []


def _moment(line: LogLine) -> datetime:
    return line.time


def _time(line: str) -> str:
    return line.partition(" ")[0]


def _logs(client: APIClient, service_id: str, last: int) -> list[bytes]:
    return list(client.service_logs(service_id, details=True, timestamps=True, stdout=True, stderr=True, tail=last, is_tty=False))
