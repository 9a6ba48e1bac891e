"""Log lines that collectors deliver."""

from skypanel.domain.log import Batch
from skypanel.ports.panel import Panel
from skypanel.store import apps


async def keep(panel: Panel, batch: Batch) -> None:
    """Store log lines; lines of apps that no longer exist are dropped. Idempotent. Raises Unavailable."""
    async with panel.autocommit() as conn:
        known = await apps.existing(conn, batch.lines)
    for app_id in known:
        await panel.logs.append(app_id, batch.lines[app_id], again=batch.again)
