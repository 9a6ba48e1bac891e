"""The output of one container in Docker's API: frames, each a line with its time."""

import calendar
import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass

from workers.agent.docker import Docker

# The header of a frame: the stream's number, three zero bytes, the body's length.
HEADER_BYTES = 8
SECOND = 1_000_000_000  # Docker counts nanoseconds


@dataclass(frozen=True)
class Printed:
    """A line. Its time is RFC 3339 in UTC with nanoseconds, so that lines sort by it."""

    time: str
    text: str


def follow(docker: Docker, container: str, after: str) -> Iterator[Printed]:
    """Yield the lines after a time, or all, and new ones until the container ends. Raises Refused if it has no readable log."""
    with docker.reading(f"/containers/{container}/logs?follow=1&stdout=1&stderr=1&timestamps=1&since={since(after)}") as response:
        for frame in frames(response):
            yield read(frame)


def frames(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the bodies of a stream's frames, without an incomplete one at the end. A line above 16 KiB is several frames."""
    while len(header := response.read(HEADER_BYTES)) == HEADER_BYTES:
        length = int.from_bytes(header[4:], "big")
        body = response.read(length)
        if len(body) < length:
            return
        yield body


def read(frame: bytes) -> Printed:
    """Parse a frame."""
    stamp, _, text = frame.decode(errors="replace").partition(" ")
    return Printed(stamp, text.removesuffix("\n"))


def since(after: str) -> str:
    """Return Docker's `since` parameter for what follows a time: seconds and nanoseconds since 1970."""
    if not after:
        return "0"
    whole, _, fraction = after.rstrip("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    moment = seconds * SECOND + int(f"{fraction:0<9}") + 1
    return f"{moment // SECOND}.{moment % SECOND:09d}"
