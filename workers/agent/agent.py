"""The agent: loops that never end. Each retries with backoff when the panel or Docker does not answer."""

import logging
import threading
import time

from workers.agent import state
from workers.agent.collector import Collector
from workers.agent.docker import Docker
from workers.agent.dynos import stop
from workers.agent.errors import PASSING, pause_s
from workers.agent.machine import HostMetrics
from workers.agent.panel import Panel
from workers.agent.positions import Positions
from workers.agent.slugs import staged
from workers.agent.staging import Staging

HEARTBEAT_S = 10.0
# Failures in a row that are logged: the first, then less and less often.
LOGGED = frozenset({1, 10, 100})

log = logging.getLogger("agent")


class Agent:
    """One loop sends heartbeats, one gets orders and stops dynos, one stages slugs, one delivers the output of dynos."""

    def __init__(self, docker: Docker, panel: Panel, base: str) -> None:
        self._docker = docker
        self._panel = panel
        self._base = base
        self._changed = threading.Event()
        self._staging = Staging(docker, panel, base, self._changed)
        self._collector = Collector(docker, Positions(state.folder() / "logs.json"), panel.deliver)

    def run(self) -> None:
        """Run forever."""
        for loop in (self._staging.run, self._collector.run, self._follow_orders):
            threading.Thread(target=loop, daemon=True).start()
        machine = HostMetrics(self._docker)
        failures = 0
        while True:
            self._changed.clear()
            try:
                report = {**machine.report(), "staged": staged(self._docker, self._base), "failures": dict(self._staging.failures)}
                self._panel.send_heartbeat(report)
                failures = 0
            except PASSING as error:
                failures += 1
                if failures in LOGGED or failures % 1000 == 0:
                    log.warning("no heartbeat: %s", error)
            self._changed.wait(HEARTBEAT_S)

    def _follow_orders(self) -> None:
        known, failures = "", 0
        while True:
            try:
                orders = self._panel.orders(known)
                known = orders.mark
                self._staging.want(orders.slugs)
                for container in orders.stops:
                    stop(self._docker, container)
                    self._panel.stopped(container)
                failures = 0
            except PASSING as error:
                failures += 1
                if failures in LOGGED:
                    log.warning("the panel does not say what it wants: %s", error)
                time.sleep(pause_s(failures))
