"""The schedule of periodic jobs. A wake-up that no worker takes before the next one is due expires."""

from datetime import UTC, datetime

from celery.schedules import schedule

from skypanel.ports.queue import BILLING, PERIODIC

QUEUE = PERIODIC
QUEUES = {"bill": BILLING}
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # so that everything is due at the start: apps wait for it
EVERY_S = {
    # A domain has its certificate some seconds after its DNS records are right.
    "order_certificates": 2.0,
    "expire_builds": 5.0,
    "wake": 5.0,
    "send_mails": 5.0,
    "check_domains": 5.0,
    "send_webhooks": 5.0,
    "send_alerts": 5.0,
    "reconcile": 10.0,
    "sample_metrics": 10.0,
    "move_objects": 15.0,
    "remove_orphans": 30.0,
    "check_nodes": 30.0,
    "check_alerts": 30.0,
    # Each hour is charged once, soon after it ends. After a pause, all hours that ended meanwhile are charged.
    "bill": 60.0,
    "collect_garbage": 3600.0,
}

OPTIONS = {
    # A scheduler without a file, because everything is due at its start.
    "beat_scheduler": "celery.beat:Scheduler",
    "beat_max_loop_interval": 5.0,
    "beat_schedule": {
        name: {
            "task": name,
            "schedule": schedule(seconds),
            "last_run_at": LONG_AGO,
            "options": {"queue": QUEUES.get(name, QUEUE), "expires": seconds},
        }
        for name, seconds in EVERY_S.items()
    },
}
