"""The panel's dynos among a node's containers, by their labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

# The panel's labels, and Docker's own, `<service>.<slot>.<id>`.
APP = "skypanel.app"
PROCESS_TYPE = "skypanel.process-type"
TASK = "com.docker.swarm.task.name"


@dataclass(frozen=True)
class Dyno:
    """A container, and which dyno of which app it is; the name is that of `$DYNO` in it."""

    container: str
    app_id: str
    name: str


def dyno_of(container: str, labels: Mapping[str, str]) -> Optional[Dyno]:
    """Return which dyno a container is, if it is one."""
    task = labels.get(TASK, "").split(".")
    if APP not in labels or PROCESS_TYPE not in labels or len(task) < 2:  # noqa: PLR2004 - a service and a slot
        return None
    return Dyno(container, labels[APP], f"{labels[PROCESS_TYPE]}.{task[1]}")
