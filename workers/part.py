"""One of the two processes of the worker on the panel's own machine: `python -m workers.part deploys` or `schedule`."""

import os
import sys

from skypanel.embedded.processes import worker_names, works
from skypanel.settings import sources
from workers.app import app, process
from workers.work import work


def main() -> None:
    """Process wake-ups until a signal comes."""
    kind = sys.argv[1]
    queues = sources.load(os.environ).queues
    sys.exit(work(app, process, worker_names(queues)[kind], works(queues)[kind], has_schedule=kind == "schedule"))


if __name__ == "__main__":
    main()
