"""Collects the output of dynos on the panel's own machine if the engine is a Swarm: `python -m workers.collector`.

It does here what agents do on their nodes, and writes the panel's log files directly.
"""

import asyncio
import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from skypanel.domain import log
from skypanel.domain.errors import Invalid, Unavailable
from skypanel.engines.log_files import open_logs
from skypanel.ports.logs import Logs
from skypanel.settings import sources
from workers.agent.collector import Collector
from workers.agent.docker import Docker
from workers.agent.dynos import PANEL
from workers.agent.errors import Refused, Rejected, end_with_any_loop
from workers.agent.positions import Positions

POSITIONS = "collected.json"


class LogFolder:
    """Writes a collector's batches to the panel's log files."""

    def __init__(self, files: Logs, runner: asyncio.Runner) -> None:
        self._files = files
        self._runner = runner

    def deliver(self, lines: bytes) -> None:
        """Write a batch. Raises Rejected or Refused."""
        try:
            batch = log.parse(json.loads(lines), datetime.now(UTC))
            for app_id, of_app in batch.lines.items():
                self._runner.run(self._files.append(app_id, of_app, again=batch.again))
        except Invalid as error:
            raise Rejected(str(error)) from error
        except Unavailable as error:
            raise Refused(str(error)) from error


def collect(docker_host: str, panel: str, logs: Path) -> None:
    """Collect forever the output of a panel's dynos from a daemon. `panel` is the panel's identity."""
    with asyncio.Runner() as runner:
        folder = LogFolder(open_logs(logs), runner)
        Collector(Docker(docker_host), Positions(logs / POSITIONS), folder.deliver, {PANEL: panel}).run()


def main() -> None:
    """Collect for the panel of SKYPANEL_HOME."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    end_with_any_loop()
    loaded = sources.load(os.environ)
    collect(loaded.docker_host, loaded.identity, loaded.logs)


if __name__ == "__main__":
    main()
