"""Adapters from Celery tasks to functions of flow, one for each job."""

import time
from collections.abc import Callable, Mapping

from celery import Celery

from skypanel.flow import (
    alert_rules,
    alert_sending,
    billing,
    build,
    certificates,
    domain_checks,
    garbage,
    mail,
    metrics,
    provision,
    reconcile,
    rollout,
    storage,
    watch,
    webhooks,
)
from skypanel.ports.panel import Panel
from workers.process import Job, PanelProcess

# These share their queue with jobs that builds and rollouts wait for, so each run is short.
MOVE_S = 5.0
MAIL_S = 5.0
DOMAINS_S = 4.0
WEBHOOKS_S = 5.0
ALERTS_S = 5.0


async def _expire_builds(panel: Panel, _worker: str) -> None:
    await build.expire(panel)


async def _wake(panel: Panel, _worker: str) -> None:
    await build.wake_pending(panel)
    await provision.wake_waiting(panel)


async def _reconcile(panel: Panel, _worker: str) -> None:
    await reconcile.reconcile(panel)


async def _remove_orphans(panel: Panel, _worker: str) -> None:
    await reconcile.remove_orphans(panel)


async def _move_objects(panel: Panel, _worker: str) -> None:
    await storage.move(panel, MOVE_S)


async def _collect_garbage(panel: Panel, _worker: str) -> None:
    await garbage.collect(panel)


async def _check_nodes(panel: Panel, _worker: str) -> None:
    await watch.check(panel)


async def _send_mails(panel: Panel, _worker: str) -> None:
    until = time.monotonic() + MAIL_S
    await mail.deliver(panel, lambda: time.monotonic() > until)


async def _check_domains(panel: Panel, _worker: str) -> None:
    until = time.monotonic() + DOMAINS_S
    await domain_checks.check_due(panel, lambda: time.monotonic() > until)


async def _send_webhooks(panel: Panel, _worker: str) -> None:
    until = time.monotonic() + WEBHOOKS_S
    await webhooks.deliver(panel, lambda: time.monotonic() > until)


async def _check_alerts(panel: Panel, _worker: str) -> None:
    await alert_rules.evaluate(panel)


async def _send_alerts(panel: Panel, _worker: str) -> None:
    until = time.monotonic() + ALERTS_S
    await alert_sending.deliver(panel, lambda: time.monotonic() > until)


async def _sample_metrics(panel: Panel, _worker: str) -> None:
    await metrics.roll_up(panel)
    await metrics.sample(panel)


async def _bill(panel: Panel, _worker: str) -> None:
    await billing.bill(panel)


JOBS: Mapping[str, Job] = {
    "build": build.work,
    "rollout": rollout.work,
    "node": provision.work,
    "expire_builds": _expire_builds,
    "wake": _wake,
    "reconcile": _reconcile,
    "remove_orphans": _remove_orphans,
    "move_objects": _move_objects,
    "collect_garbage": _collect_garbage,
    "check_nodes": _check_nodes,
    "bill": _bill,
    "sample_metrics": _sample_metrics,
    "send_mails": _send_mails,
    "check_domains": _check_domains,
    "order_certificates": certificates.work,
    "send_webhooks": _send_webhooks,
    "check_alerts": _check_alerts,
    "send_alerts": _send_alerts,
}


def register(app: Celery, process: PanelProcess, jobs: Mapping[str, Job] = JOBS) -> None:
    """Register each job as a task of the application. Jobs run in `process`, which holds the panel open."""
    for name, job in jobs.items():
        app.task(name=name)(_task(process, name, job))


def _task(process: PanelProcess, name: str, job: Job) -> Callable[[], None]:
    def run() -> None:
        # Builds and similar jobs work on several rows at once in one run. For the other jobs, a second run at once would repeat the work.
        process.run_alone(name, job)

    return run
