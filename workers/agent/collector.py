"""Delivers the output of a node's dynos: each line once, and promptly."""

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Optional, Union
from urllib.parse import quote

from workers.agent.docker import Docker
from workers.agent.dynos import APP, Dyno, dyno_of
from workers.agent.errors import PASSING, Refused, Rejected, pause_s
from workers.agent.positions import Positions
from workers.agent.printed import Printed, follow

POLL_S = 1.0
# A container whose log cannot be followed is tried again after this time.
LATER_S = 60.0
# Lines within this time go into one batch.
LINGER_S = 0.2
# A line may have 16 KiB, and six times that if JSON must escape every character.
MAX_BATCH_BYTES = 512 * 1024
# Above this number, reading stops and lines stay with Docker (backpressure).
MAX_WAITING = 256

log = logging.getLogger("agent")


@dataclass(frozen=True)
class Line:
    """A line that a dyno printed."""

    dyno: Dyno
    printed: Printed


@dataclass(frozen=True)
class End:
    """All lines of a container precede this."""

    container: str


class Collector:
    """Follows every dyno that has the labels, and ended ones while Docker has their lines.

    `deliver` takes a batch in the panel's format (JSON). It raises Rejected for a batch that the panel will never accept.
    """

    def __init__(
        self, docker: Docker, positions: Positions, deliver: Callable[[bytes], None], labels: Optional[Mapping[str, str]] = None
    ) -> None:
        self._docker = docker
        self._positions = positions
        self._deliver = deliver
        self._wanted = [APP, *(f"{name}={value}" for name, value in (labels or {}).items())]
        self._lines: queue.Queue[Union[Line, End]] = queue.Queue(MAX_WAITING)
        self._followed: dict[str, threading.Thread] = {}
        self._read: dict[str, str] = {}
        self._later: dict[str, float] = {}
        # In seconds, rounded up.
        self._started = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1))

    def run(self) -> None:
        """Run forever."""
        threading.Thread(target=self._poll_forever, daemon=True).start()
        while True:
            self._deliver_batch(self._batch())

    def _poll_forever(self) -> None:
        failures = 0
        while True:
            try:
                self._poll()
                failures = 0
            except PASSING as error:
                failures += 1
                if failures == 1:
                    log.warning("Docker does not say what runs: %s", error)
            time.sleep(POLL_S)

    def _poll(self) -> None:
        filters = quote(json.dumps({"label": self._wanted}))
        found = {each["Id"]: each for each in self._docker.ask("GET", f"/containers/json?all=1&filters={filters}") or ()}
        self._positions.keep(found.keys())
        # Follower threads write to these dicts concurrently, so each change is one atomic operation.
        for gone in (set(self._read) | set(self._later)) - found.keys():
            self._read.pop(gone, None)
            self._later.pop(gone, None)
        self._followed = {container: thread for container, thread in self._followed.items() if thread.is_alive()}
        for container, each in found.items():
            dyno = dyno_of(container, each.get("Labels") or {})
            if dyno is not None and each["State"] != "created" and self._may_follow(container):
                thread = threading.Thread(target=self._follow, args=(dyno, each["State"] == "exited"), daemon=True)
                self._followed[container] = thread
                thread.start()

    def _may_follow(self, container: str) -> bool:
        is_due = time.monotonic() >= self._later.get(container, 0.0)
        return is_due and container not in self._followed and not self._positions.has_ended(container)

    def _follow(self, dyno: Dyno, has_ended: bool) -> None:  # noqa: FBT001 - a thread's argument
        try:
            for printed in follow(self._docker, dyno.container, self._read.get(dyno.container) or self._positions.at(dyno.container)):
                self._lines.put(Line(dyno, printed))
                self._read[dyno.container] = printed.time
            if has_ended:
                self._lines.put(End(dyno.container))
                self._later[dyno.container] = time.monotonic() + LATER_S
        except Refused as error:
            # Docker keeps no log of it, or has removed it, or is in an inconsistent state.
            log.info("%s of %s has no log: %s", dyno.name, dyno.app_id, error)
            self._later[dyno.container] = time.monotonic() + LATER_S
        except PASSING as error:
            log.info("%s of %s is not followed for a moment: %s", dyno.name, dyno.app_id, error)

    def _batch(self) -> list[Union[Line, End]]:
        batch = [self._lines.get()]
        size, deadline = _size(batch[0]), time.monotonic() + LINGER_S
        while size < MAX_BATCH_BYTES and (left_s := deadline - time.monotonic()) > 0:
            try:
                batch.append(self._lines.get(timeout=left_s))
            except queue.Empty:
                break
            size += _size(batch[-1])
        return batch

    def _deliver_batch(self, batch: list[Union[Line, End]]) -> None:
        """Deliver a batch, with retries, and save the position."""
        lines = [each for each in batch if isinstance(each, Line)]
        # Lines from before this agent's start may have been delivered by its predecessor.
        again = any(line.printed.time < self._started for line in lines)
        failures = 0
        while lines:
            try:
                self._deliver(encoded(lines, again=again))
                break
            except Rejected as error:
                log.warning("%d lines are lost: %s", len(lines), error)
                break
            except PASSING as error:
                failures += 1
                again = True
                if failures == 1:
                    log.warning("lines wait: %s", error)
                time.sleep(pause_s(failures))
        times: dict[str, str] = {}
        for line in lines:
            times[line.dyno.container] = max(times.get(line.dyno.container, ""), line.printed.time)
        try:
            self._positions.deliver(times, [each.container for each in batch if isinstance(each, End)])
        except OSError as error:
            # This agent knows them, and the panel recognizes what the next agent delivers twice.
            log.warning("it cannot be noted which lines are delivered: %s", error)


def encoded(lines: list[Line], *, again: bool) -> bytes:
    """Return lines in the panel's format. `again` says that some may have been delivered before."""
    entries = [{"app_id": line.dyno.app_id, "dyno": line.dyno.name, "time": line.printed.time, "text": line.printed.text} for line in lines]
    return json.dumps({"again": again, "lines": entries}, ensure_ascii=False).encode(errors="replace")


def _size(each: Union[Line, End]) -> int:
    return len(encoded([each], again=False)) if isinstance(each, Line) else 0
