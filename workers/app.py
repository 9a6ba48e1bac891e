"""The Celery application, and the process that runs its jobs; `workers.run` starts both.

Its configuration is read when Celery first needs it, not on import.
"""

import os

from celery import Celery

from skypanel.bootstrap import open_panel, preload, worker_options
from skypanel.settings import sources
from workers import jobs, schedule
from workers.process import PanelProcess


def configuration() -> dict[str, object]:
    """Return Celery's configuration, from the panel's settings."""
    return {**worker_options(sources.of_worker(os.environ)), **schedule.OPTIONS}


app = Celery("skypanel", set_as_current=False)
app.add_defaults(configuration)
process = PanelProcess(
    lambda: open_panel(sources.of_worker(os.environ)),
    lambda: sources.of_worker(os.environ).run_dir,
    lambda: preload(sources.of_worker(os.environ)),
)
jobs.register(app, process)
