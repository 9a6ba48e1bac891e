"""The position in each container's output up to which lines are delivered. Survives restarts."""

import json
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any


class Positions:
    """A file with the time of each container's last delivered line, and the containers that have no more lines.

    An unreadable file counts as empty: the panel recognizes lines that are then delivered twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._at, self._ended = _read(path)

    def at(self, container: str) -> str:
        """Return the time of the last delivered line, or an empty text."""
        with self._lock:
            return self._at.get(container, "")

    def has_ended(self, container: str) -> bool:
        """Whether all output of a container is delivered."""
        with self._lock:
            return container in self._ended

    def deliver(self, times: dict[str, str], ended: Collection[str]) -> None:
        """Record the times of the last delivered lines, and the containers that have ended."""
        with self._lock:
            self._at.update(times)
            self._ended.update(ended)
            self._write()

    def keep(self, containers: Collection[str]) -> None:
        """Forget all other containers."""
        with self._lock:
            self._at = {container: time for container, time in self._at.items() if container in containers}
            self._ended &= set(containers)

    def _write(self) -> None:
        new = self._path.with_name(self._path.name + ".new")
        new.write_text(json.dumps({"at": self._at, "ended": sorted(self._ended)}))
        new.replace(self._path)


def _read(path: Path) -> tuple[dict[str, str], set[str]]:
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        return {str(container): str(time) for container, time in data["at"].items()}, set(map(str, data["ended"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, set()
