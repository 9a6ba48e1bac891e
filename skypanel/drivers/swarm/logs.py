"""What dynos print on a Swarm: the files of what collectors delivered, and what Docker has that they did not yet.

Every node's agent delivers its dynos' lines, and so does the collector of the panel's own machine, within a second.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import closing, suppress

from docker import APIClient

from skypanel.domain.app import App
from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.log import LogLine, moment, printed
from skypanel.drivers.docker.api import DockerApi
from skypanel.drivers.logs.files import POLL_S, FileLogs, by_time
from skypanel.drivers.swarm.services import Services
from skypanel.drivers.swarm.tasks import Slot

# A node that does not answer holds up nobody who reads for longer: what it delivered is in the files.
ANSWER_S = 5.0
LAST_LINES = 120
_FRAME = re.compile(r"(\S+Z) (?:\S*,)?com\.docker\.swarm\.task\.id=([a-z0-9]+)\S* (.*?)\n?", re.DOTALL)


class DockerLogs:
    """The logs of a panel's dynos at a daemon, and in `files`, where the platform's own lines are too."""

    def __init__(self, docker: DockerApi, panel: str, files: FileLogs) -> None:
        self._docker = docker
        self._services = Services(docker, panel)
        self._files = files

    async def read(self, app: App, lines: int = 100, *, follow: bool = False, dyno: str | None = None) -> AsyncIterator[str]:
        """Yield an app's last lines, oldest first, then those that are written from now on; `dyno` is web.1, or web for all of them."""
        with closing(self._files.open(app.id, dyno)) as folder:
            tails = await asyncio.to_thread(folder.tails, max(lines, 1))
            at_docker = [line for line in await self._at_docker(app, max(lines, 1)) if dyno in {None, line.dyno, _type(line.dyno)}]
            early = Early(tails, at_docker, max(lines, 1))
            found = by_time([*(line for tail in tails.values() for line in tail), *early.lines])
            for line in found[-lines:] if lines > 0 else []:
                yield line
            while follow:
                for line in await asyncio.to_thread(folder.fresh):
                    if not early.has(line):
                        yield line
                await asyncio.sleep(POLL_S)

    async def write(self, app: App, text: str) -> None:
        """Add a line of the platform's own about an app, as `app[api]`."""
        await self._files.write(app, text)

    async def append(self, app_id: AppId, lines: Sequence[LogLine], *, again: bool = False) -> None:
        """Add lines that were collected; `again` says that some of them may be there already."""
        await self._files.append(app_id, lines, again=again)

    async def kept(self) -> Sequence[AppId]:
        """Return the apps that have lines."""
        return await self._files.kept()

    async def forget(self, app_id: AppId) -> None:
        """Remove an app's lines."""
        await self._files.forget(app_id)

    async def _at_docker(self, app: App, last: int) -> list[LogLine]:
        """Return the last lines of each dyno that Docker still has; none where it does not answer."""
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                services, tasks = await asyncio.gather(self._services.of(app.id), self._services.tasks(app.id))
                names = {task.id: task.key.name for task in tasks}
                written = await asyncio.gather(*(self._written(service.id, last) for service in services))
                return [line for frames in written for line in read_frames(frames, names)]
        return []

    async def _written(self, service_id: str, last: int) -> Sequence[bytes]:
        try:
            return await self._docker.call(lambda client: _logs(client, service_id, last))
        except NotFound:
            return []


class Early:
    """What Docker has and the files do not have yet, of which `tails` are the last lines by dyno; of each it was asked for the `last`."""

    def __init__(self, tails: Mapping[str, Sequence[str]], at_docker: Sequence[LogLine], last: int) -> None:
        there = Counter(line for tail in tails.values() for line in tail)
        # What is older than the tail of a longer file is further up in it.
        collected = {dyno: min(map(_time, tail)) for dyno, tail in tails.items() if len(tail) >= last}
        self.lines: list[str] = []
        found = defaultdict[str, list[str]](list)
        for each in at_docker:
            line = str(each)
            found[each.dyno].append(line)
            if there[line] > 0:
                there[line] -= 1
            elif _time(line) >= collected.get(each.dyno, ""):
                self.lines.append(line)
        self._left = Counter(self.lines)
        self._since = {dyno: min(map(_time, lines)) for dyno, lines in found.items() if len(lines) >= last}

    def has(self, line: str) -> bool:
        """Whether a line that is collected now is one of these, or from before them."""
        if self._left[line] > 0:
            self._left[line] -= 1
            return True
        return _time(line) < self._since.get(line.partition("[")[2].partition("]")[0], "")


def read_frames(frames: Iterable[bytes], names: Mapping[str, str]) -> list[LogLine]:
    """Read what Docker has of a service's tasks, a line a frame; `names` are those of their dynos."""
    matches = (_FRAME.fullmatch(frame.decode(errors="replace")) for frame in frames)
    return [line for match in matches if match and match[2] in names for line in printed(names[match[2]], moment(match[1]), match[3])]


async def last_lines(docker: DockerApi, slot: Slot, lines: int = LAST_LINES) -> Sequence[str]:
    """Return the last lines of a dyno's last task that ended, or of the one that runs; none where Docker does not say within a moment."""
    task = slot.crashed[-1] if slot.crashed and not slot.task.has_crashed else slot.task
    with suppress(NotFound, Unavailable, TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            # all of a service's tasks come together
            frames = await docker.call(lambda client: _logs(client, task.service_id, lines))
            return [str(line) for line in read_frames(frames, {task.id: slot.dyno.key.name})]
    return []


def _time(line: str) -> str:
    return line.partition(" ")[0]


def _type(dyno: str) -> str:
    return dyno.rpartition(".")[0]


def _logs(client: APIClient, service_id: str, last: int) -> list[bytes]:
    return list(client.service_logs(service_id, details=True, timestamps=True, stdout=True, stderr=True, tail=last, is_tty=False))
