"""Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html), read as a browser does."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass

WITHIN_S = 60


@dataclass
class Event:
    name: str = "message"
    id: str = ""
    data: str = ""

    @property
    def text(self):
        """The text of a line of a log."""
        parts = json.loads(self.data)
        return "".join(text for _, text in (parts["parts"] if isinstance(parts, dict) else parts[1]))


class Events:
    """Server-Sent Events as a browser reads them."""

    def __init__(self, response):
        self.response = response
        self.beats = 0

    async def read(self):
        """Return the next event, or None at the end of the connection."""
        event = Event()
        async with asyncio.timeout(WITHIN_S):
            while line := (await self.response.content.readline()).decode():
                field, _, value = line.rstrip("\n").partition(":")
                if field in {"id", "data"}:
                    setattr(event, field, value.removeprefix(" "))
                elif field == "event":
                    event.name = value.removeprefix(" ")
                elif line == "\n" and event.data:
                    return event
                elif line.startswith(":"):
                    self.beats += 1
        return None

    async def lines(self, count=None):
        """Return the next lines, as many as asked for or all until the end, with how it ended."""
        found = []
        while count is None or len(found) < count:
            event = await self.read()
            if event is None or event.name == "end":
                return found, event and event.data
            found.append(event)
        return found, None


@asynccontextmanager
async def events(client, url, **options):
    """Read the events below a URL while the block runs."""
    async with client.get(f"{url}/events", **options) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield Events(response)
