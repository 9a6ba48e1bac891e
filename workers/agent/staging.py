"""Stages the slugs that the panel wants."""

import logging
import threading
from collections.abc import Sequence

from skypanel.host.layers import BadSlug
from workers.agent.docker import Docker
from workers.agent.errors import PASSING, pause_s
from workers.agent.panel import Panel
from workers.agent.slugs import forget, stage, staged

log = logging.getLogger("agent")


class Staging:
    """The staging loop. `failures` maps digests to errors; `changed` is set whenever the next heartbeat has news."""

    def __init__(self, docker: Docker, panel: Panel, base: str, changed: threading.Event) -> None:
        self._docker = docker
        self._panel = panel
        self._base = base
        self._changed = changed
        self._wanted: Sequence[str] = ()
        self._news = threading.Event()
        self.failures: dict[str, str] = {}

    def want(self, digests: Sequence[str]) -> None:
        """Set the wanted slugs. Others are removed later."""
        if digests != self._wanted:
            self._wanted = digests
            self._news.set()

    def run(self) -> None:
        """Run forever. Failed slugs are retried with backoff."""
        failures = 0
        while True:
            self._news.wait(pause_s(failures) if failures else None)
            self._news.clear()
            try:
                failures = 0 if self._stage(self._wanted) else failures + 1
            except PASSING as error:
                failures += 1
                log.warning("slugs cannot be looked at: %s", error)

    def _stage(self, wanted: Sequence[str]) -> bool:
        """Stage missing slugs, and report each as soon as it is staged. Return False if any failed."""
        present = set(staged(self._docker, self._base))
        for digest in wanted:
            if digest in present:
                continue
            try:
                stage(self._docker, self._panel, digest, self._base)
                self.failures.pop(digest, None)
                log.info("%s is staged", digest)
            except (*PASSING, BadSlug) as error:
                self.failures[digest] = str(error)
                log.warning("%s cannot be staged: %s", digest, error)
            self._changed.set()
        self.failures = {digest: why for digest, why in self.failures.items() if digest in wanted}
        forget(self._docker, self._base, wanted)
        return not self.failures
