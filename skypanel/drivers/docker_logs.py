"""What dynos print on a Swarm, as its manager has it from the nodes; the platform's own lines are in files.

They last as long as the service: what is to be read later is collected by each node's agent.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from docker import APIClient

from skypanel.domain.app import App
from skypanel.domain.errors import NotFound
from skypanel.domain.terminal import clean
from skypanel.drivers.docker_api import DockerApi
from skypanel.drivers.log_files import PLATFORM, FileLogs
from skypanel.drivers.swarm_services import Services
from skypanel.drivers.swarm_tasks import moment, slots

POLL_S = 0.5
# How the scripts around an app begin their own lines.
MARK = "[skypanel] "
# A node's lines may come later than those of another that are newer.
LATE = timedelta(seconds=5)
_LINE = re.compile(r"(\S+Z) (?:\S*,)?com\.docker\.swarm\.task\.id=([a-z0-9]+)\S* (.*)")


@dataclass(frozen=True, order=True)
class Line:
    """A line of an app's log; `time` is RFC 3339 in UTC, always with microseconds, so that lines sort by it."""

    time: str
    source: str
    text: str

    @property
    def dyno(self) -> str:
        """Who wrote it."""
        return self.source.partition("[")[2].removesuffix("]")

    def __str__(self) -> str:
        return f"{self.time} {self.source}: {self.text}"


class DockerLogs:
    """The logs of a panel's dynos at a daemon, and the platform's lines of `files`."""

    def __init__(self, docker: DockerApi, panel: str, files: FileLogs) -> None:
        self._docker = docker
        self._services = Services(docker, panel)
        self._files = files

    async def read(self, app: App, lines: int = 100, *, follow: bool = False, dyno: str | None = None) -> AsyncIterator[str]:
        """Yield an app's last lines, oldest first, then those that are written from now on; `dyno` is web.1, or web for all of them."""
        found = await self._lines(app, dyno, max(lines, 1), None)
        for line in found[-lines:] if lines > 0 else []:
            yield str(line)
        newest = found[-1].time if found else ""
        seen = {line for line in await self._since(app, dyno, newest) if line.time <= newest} if follow else set()
        while follow:
            for line in await self._since(app, dyno, newest):
                if line not in seen:
                    yield str(line)
                    seen.add(line)
                    newest = max(newest, line.time)
            seen = {line for line in seen if _is_near(line.time, newest)}
            await asyncio.sleep(POLL_S)

    async def write(self, app: App, text: str) -> None:
        """Add a line of the platform's own about an app, as `app[api]`."""
        await self._files.write(app, text)

    async def _since(self, app: App, dyno: str | None, newest: str) -> list[Line]:
        """Return the lines from a little before the newest one on; all, where there is none."""
        since = (moment(newest) - LATE).timestamp() if newest else None
        return [line for line in await self._lines(app, dyno, None, since) if not newest or _is_near(line.time, newest)]

    async def _lines(self, app: App, dyno: str | None, last: int | None, since: float | None) -> list[Line]:
        services, tasks = await asyncio.gather(self._services.of(app.id), self._services.tasks(app.id))
        names = {task.id: task.key.name for task in tasks} | {slot.task.id: slot.dyno.key.name for slot in slots(tasks)}
        written = await asyncio.gather(*(self._written(service.id, last, since) for service in services))
        found = [line for body in written for line in read_lines(body, names)]
        found += [line async for line in self._platform(app, last)]
        return sorted(line for line in found if dyno in {None, line.dyno, line.dyno.rpartition(".")[0]})

    async def _written(self, service_id: str, last: int | None, since: float | None) -> Sequence[str]:
        try:
            body: bytes = await self._docker.call(lambda client: _logs(client, service_id, last, since))
        except NotFound:
            return []
        return body.decode(errors="replace").split("\n")

    async def _platform(self, app: App, last: int | None) -> AsyncIterator[Line]:
        async for text in self._files.read(app, 100 if last is None else last, dyno=PLATFORM):
            time, _, rest = text.partition(" ")
            source, _, said = rest.partition(": ")
            yield Line(time, source, said)


def _is_near(time: str, newest: str) -> bool:
    """Whether a line may come late."""
    return moment(time) >= moment(newest) - LATE


def read_lines(written: Iterable[str], names: Mapping[str, str]) -> list[Line]:
    """Read what Docker has of a service's tasks; `names` are those of their dynos."""
    return [
        _line(match[1], names[match[2]], match[3]) for text in written if (match := _LINE.fullmatch(text)) is not None and match[2] in names
    ]


def _line(time: str, dyno: str, text: str) -> Line:
    source = "skypanel" if text.startswith(MARK) else "app"
    return Line(moment(time).isoformat(timespec="microseconds"), f"{source}[{dyno}]", clean(text.removeprefix(MARK)))


def _logs(client: APIClient, service_id: str, last: int | None, since: float | None) -> bytes:
    found: Iterable[bytes] = client.service_logs(
        service_id,
        details=True,
        timestamps=True,
        stdout=True,
        stderr=True,
        tail="all" if last is None else last,
        since=0 if since is None else int(since),
        is_tty=False,
    )
    return b"".join(found)
