"""What happened to apps, as marks on their metrics."""

from datetime import datetime

from sqlalchemy import select

from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.metrics import Mark, MarkKind
from skypanel.domain.release import ReleaseState
from skypanel.ports.database import Connection
from skypanel.store.tables.audit import audit_log
from skypanel.store.tables.releases import releases

MOST = 100


async def deploys(conn: Connection, app: App, since: datetime) -> list[Mark]:
    """Return the newest releases of an app since a time, newest first. One that failed is an incident."""
    columns = select(releases.c.created_at, releases.c.version, releases.c.description, releases.c.state)
    of_app = columns.where(releases.c.app_id == app.id, releases.c.created_at >= since).order_by(releases.c.version.desc()).limit(MOST)
    return [
        Mark(row.created_at, MarkKind.INCIDENT, f"v{row.version} failed")
        if row.state == ReleaseState.FAILED
        else Mark(row.created_at, MarkKind.DEPLOY, f"v{row.version}: {row.description}")
        for row in await conn.all(of_app)
    ]


async def scales(conn: Connection, app: App, since: datetime) -> list[Mark]:
    """Return the newest changes of an app's formation since a time, newest first."""
    of_app = (audit_log.c.app_id == app.id, audit_log.c.action == AuditAction.APP_SCALE, audit_log.c.at >= since)
    newest = select(audit_log.c.at, audit_log.c.details).where(*of_app).order_by(audit_log.c.id.desc()).limit(MOST)
    return [Mark(row.at, MarkKind.SCALE, _scaled(row.details.get("quantities", {}))) for row in await conn.all(newest)]


def _scaled(quantities: dict[str, int]) -> str:
    return "Scaled " + " ".join(f"{process_type}={quantity}" for process_type, quantity in quantities.items())
