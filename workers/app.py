"""The Celery application: `celery -A workers.app worker -B -Q builds,rollouts,periodic,billing`.

Its configuration is read when Celery first asks for it, not when this module is imported.
"""

import os

from celery import Celery

from skypanel import settings
from skypanel.bootstrap import open_panel
from skypanel.drivers.celery import receiving
from workers import jobs, schedule
from workers.process import PanelProcess


def configuration() -> dict[str, object]:
    """Return what Celery is told, from the panel's settings."""
    return {**receiving(settings.of_worker(os.environ).broker_url), **schedule.OPTIONS, "worker_proc_alive_timeout": 60.0}


app = Celery("skypanel", set_as_current=False)
app.add_defaults(configuration)
jobs.register(app, PanelProcess(lambda: open_panel(settings.of_worker(os.environ)), lambda: settings.of_worker(os.environ).run_dir))
