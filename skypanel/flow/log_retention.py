"""Lines of apps are kept for the days that the settings say."""

import logging

from skypanel.domain.errors import Unavailable
from skypanel.domain.log_retention import LogRetention
from skypanel.flow.configured import value
from skypanel.ports.panel import Panel
from skypanel.store import apps

log = logging.getLogger(__name__)


async def enforce(panel: Panel) -> None:
    """Delete the lines of all apps that are older than their retention. Idempotent, and safe to interrupt."""
    kept = await panel.logs.kept()
    async with panel.autocommit() as conn:
        retention = LogRetention.of(await value(conn, "log_retention_days"), await value(conn, "log_retention_of_plans"))
        existing = await apps.by_ids(conn, kept)
    now = panel.clock.now()
    for app in existing:
        try:
            await panel.logs.drop(app.id, retention.begin(app.plan.name, now))
        except Unavailable as error:
            log.warning("old lines of the app %s stay: %s", app.id, error)
