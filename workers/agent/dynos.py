"""Finds the panel's dynos among a node's containers, by their labels."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from workers.agent.docker import Docker
from workers.agent.errors import Gone

# The panel's labels, and Docker's own label of a task: `<service>.<slot>.<id>`.
PANEL = "skypanel.panel"
APP = "skypanel.app"
PROCESS_TYPE = "skypanel.process-type"
INDEX = "skypanel.index"
TASK = "com.docker.swarm.task.name"

_CONTAINER = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger("agent")


@dataclass(frozen=True)
class Dyno:
    """A container that is a dyno. `name` is the value of `$DYNO` in it.

    `slot` names the place that another container gets after a restart; a one-off dyno has none.
    """

    container: str
    app_id: str
    name: str
    slot: str = ""


def dyno_of(container: str, labels: Mapping[str, str]) -> Optional[Dyno]:
    """Return the dyno of a container, or None. A task is numbered by its slot, a one-off dyno by its label."""
    _, _, task = labels.get(TASK, "").partition(".")
    index = labels.get(INDEX) or task.partition(".")[0]
    if APP not in labels or PROCESS_TYPE not in labels or not index:
        return None
    return Dyno(container, labels[APP], f"{labels[PROCESS_TYPE]}.{index}", labels.get(TASK, "").rpartition(".")[0])


def stop(docker: Docker, container: str) -> None:
    """Send SIGTERM to a dyno; the program in the container then stops it. Other containers and unknown ids are left alone.

    Raises Refused if Docker fails to do so.
    """
    try:
        found = docker.ask("GET", f"/containers/{container}/json") if _CONTAINER.fullmatch(container) else {}
        if dyno_of(container, found.get("Config", {}).get("Labels") or {}) is None:
            log.warning("%s is no dyno, and goes on", container)
            return
        docker.ask("POST", f"/containers/{container}/kill?signal=SIGTERM")
        log.info("%s is told to stop", container)
    except Gone:
        log.info("%s has ended already", container)
