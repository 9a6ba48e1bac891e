import asyncio

from skypanel.domain import terminal
from skypanel.domain.log import Source

MARK = "[skypanel] "  # how the platform's own lines begin in a dyno's output


class FakeLogs:
    """Stores lines by app id as (dyno, text), all with the same time. Following never ends."""

    def __init__(self):
        self.lines = {}
        self._changed = asyncio.Event()

    async def read(self, app, lines=100, *, follow=False, dyno=None):
        seen = max(0, len(self._of(app, dyno)) - lines)
        while True:
            changed, found = self._changed, self._of(app, dyno)
            for name, text in found[seen:]:
                source = "skypanel" if text.startswith(MARK) else "app"
                yield f"2024-01-01T00:00:00.000000+00:00 {source}[{name}]: {text.removeprefix(MARK)}"
            seen = len(found)
            if not follow:
                return
            await changed.wait()

    async def write(self, app, text, source=Source.API):
        self.add(app, source.value, f"{MARK}{text}" if source is Source.ROUTER else text)

    async def append(self, app_id, lines, *, again=False):
        for line in lines:
            if not again or (line.dyno, line.text) not in self.lines.get(app_id, []):
                self._add(app_id, line.dyno, line.text)

    async def kept(self):
        return list(self.lines)

    async def forget(self, app_id):
        self.lines.pop(app_id, None)

    def add(self, app, dyno, text):
        self._add(app.id, dyno, text)

    def _add(self, app_id, dyno, text):
        self.lines.setdefault(app_id, []).append((dyno, terminal.clean(text)))
        self._changed.set()
        self._changed = asyncio.Event()

    def _of(self, app, dyno):
        return [line for line in self.lines.get(app.id, []) if dyno in {None, line[0], line[0].split(".")[0]}]
