"""One process of the worker of the panel's own machine: `python -m workers.part deploys` or `schedule`; the two are apart in all."""

import os
import sys

from skypanel.embedded.processes import worker_names, works
from skypanel.settings import sources
from workers.app import app, process
from workers.work import work


def main() -> None:
    """Take wake-ups until a signal comes."""
    kind = sys.argv[1]
    queues = sources.load(os.environ).queues
    sys.exit(work(app, process, worker_names(queues)[kind], works(queues)[kind], has_schedule=kind == "schedule"))


if __name__ == "__main__":
    main()
