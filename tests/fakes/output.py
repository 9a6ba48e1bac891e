import asyncio
from contextlib import asynccontextmanager

from skypanel.domain import terminal
from skypanel.domain.output import FIRST, Line, LineId

OUTPUT_MAX_BYTES = 10 * 1024 * 1024
OUTPUT_LINE_BYTES = 64
OUTPUT_LAST_LINES = 50


class FakeOutput:
    """Stores the lines of all streams. `texts(stream)` returns what a reader would see."""

    def __init__(self):
        self.streams = {}
        self._changed = asyncio.Event()

    def texts(self, stream):
        return [line.text for line in self.streams.get(str(stream), []) if not line.end]

    @asynccontextmanager
    async def writer(self, stream, attempt):
        writer = _FakeOutputWriter(self, stream, attempt)
        try:
            yield writer
        finally:
            writer.finish()

    async def read(self, stream, after=FIRST, idle_s=15.0):
        while True:
            lines = self.streams.get(str(stream), [])
            for line in [line for line in lines if line.id > after]:
                if line.end and line is not lines[-1]:
                    continue
                yield line
                after = line.id
                if line.end:
                    return
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), idle_s)
            except TimeoutError:
                return

    def append(self, stream, line):
        lines = self.streams.setdefault(str(stream), [])
        if not lines or line.id > lines[-1].id:
            lines.append(line)
        self._changed.set()
        self._changed = asyncio.Event()


class _FakeOutputWriter:
    def __init__(self, output, stream, attempt):
        self._output, self._stream, self._attempt = output, stream, attempt
        self._number, self._size, self._last = 0, 0, []

    async def write(self, text):
        for line in terminal.lines(text):
            self._size += max(len(line.encode()) + 1, OUTPUT_LINE_BYTES)
            if self._size <= OUTPUT_MAX_BYTES:
                self._append(line)
                continue
            if not self._last:
                self._append(" !     Output is truncated here.")
            self._last = [*self._last, line][-OUTPUT_LAST_LINES:]

    def finish(self):
        for line in self._last:
            self._append(line)
        self._append("", end=True)

    def _append(self, text, *, end=False):
        self._number += 1
        self._output.append(self._stream, Line(LineId(self._attempt, self._number), text, end=end))
