"""The three pipes between the receiver and the pre-receive hook of one push.

The hook writes its quarantine folder and the ref updates into the first. It copies lines from the second to the pusher, and reads its
verdict from the third. If either side ends early, the push fails: a hook without a verdict declines.
"""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Self

from skypanel.domain.push import MAX_UPDATES, RefUpdate, check_updates

ACCEPT = b"accept\n"
MAX_LINE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Report:
    """What the hook reports: the folder of the pushed objects, and the ref updates."""

    quarantine: str | None
    updates: tuple[RefUpdate, ...]


class HookPipes:
    """The pipes' ends. Git inherits the file descriptors in `passed` when it starts; call `release` afterwards."""

    def __init__(self, passed: Mapping[str, int], reports: asyncio.StreamReader, lines: asyncio.StreamWriter, verdict: int) -> None:
        self.passed = passed
        self._released = False
        self._reports = reports
        self._lines = lines
        self._verdict = verdict

    @classmethod
    async def open(cls) -> Self:
        """Create the pipes."""
        loop = asyncio.get_running_loop()
        updates, updates_in = os.pipe()
        lines_out, lines = os.pipe()
        verdict_out, verdict = os.pipe()
        reports = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, reports), os.fdopen(updates, "rb", 0))
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(lines, "wb", 0))
        passed = {"SKYPANEL_UPDATES": updates_in, "SKYPANEL_LINES": lines_out, "SKYPANEL_VERDICT": verdict_out}
        return cls(passed, reports, asyncio.StreamWriter(transport, protocol, None, loop), verdict)

    def release(self) -> None:
        """Close git's ends in this process, so that readers get EOF when git exits."""
        if not self._released:
            self._released = True
            for descriptor in self.passed.values():
                os.close(descriptor)

    async def report(self) -> Report | None:
        """Wait for the hook's report; None if git ends without one. Raises Invalid for too many updates.

        The report is always read to its end: the hook reads no refusal before it has written everything.
        """
        quarantine = await self._reports.readline()
        updates: list[RefUpdate] = []
        count = 0
        while (line := await self._reports.readline()) and line != b"\n":
            count += 1
            if count <= MAX_UPDATES:
                updates.append(_update(line))
        if not line:
            return None
        check_updates(count)
        return Report(os.fsdecode(quarantine.rstrip(b"\n")) or None, tuple(updates))

    async def write(self, text: str) -> None:
        """Send the pusher a line, and wait while the pipe is full (backpressure). A hook that is gone is no error."""
        self.say(text)
        with suppress(ConnectionError):
            await self._lines.drain()

    def say(self, text: str) -> None:
        """Send the pusher a last line, without waiting."""
        if not self._lines.is_closing():
            self._lines.write(text.replace("\n", " ").encode("utf-8", "backslashreplace") + b"\n")

    def accept(self) -> None:
        """Accept the push. Git updates the refs after `close` has ended the lines."""
        with suppress(BrokenPipeError):
            os.write(self._verdict, ACCEPT)

    def close(self) -> None:
        """Close the pipes; lines that are still buffered arrive first. Without `accept`, the push is declined."""
        if not self._lines.is_closing():
            self._lines.close()
        if self._verdict >= 0:
            os.close(self._verdict)
            self._verdict = -1
        self.release()


def _update(line: bytes) -> RefUpdate:
    old, new, ref = line.rstrip(b"\n").decode("utf-8", "backslashreplace").split(" ", 2)
    return RefUpdate(ref, _object(old), _object(new))


def _object(name: str) -> str | None:
    """Return an object's name, or None for all zeros, which mean no object."""
    return name if name.strip("0") else None
