"""All apps that an account may see, at a glance: one statement, with the few columns by which a list is sorted and filtered."""

from sqlalchemy import Text, cast, or_, select

from skypanel.domain.ids import AccountId
from skypanel.domain.overview import AppOrder, Glance
from skypanel.ports.database import Connection
from skypanel.store import apps, deploys
from skypanel.store.tables.apps import applications
from skypanel.store.tables.organizations import organizations
from skypanel.store.tables.releases import releases

# In the order of Glance's fields. The database writes ids as text, which takes a fraction of the time.
_SEEN = (
    select(
        cast(applications.c.id, Text).label("id"),
        applications.c.name,
        cast(applications.c.organization_id, Text).label("organization_id"),
        applications.c.current_release_id.is_not(None).label("has_release"),
        applications.c.maintenance,
        or_(organizations.c.unpaid, organizations.c.held).label("is_suspended"),
        deploys.is_open().label("is_deploying"),
        deploys.has_failed().label("has_failed"),
    )
    .join(organizations, organizations.c.id == applications.c.organization_id)
    .order_by(applications.c.name)
)
_BY_DEPLOY = (
    _SEEN.outerjoin(releases, releases.c.id == applications.c.current_release_id)
    .order_by(None)
    .order_by(releases.c.created_at.desc().nulls_last(), applications.c.name)
)


async def of(conn: Connection, account_id: AccountId, order: AppOrder = AppOrder.NAME) -> list[Glance]:
    """Return the apps that an account may see, in order of name or of their last deploy; those to be sorted by state by name."""
    statement = _BY_DEPLOY if order is AppOrder.DEPLOYED else _SEEN
    return [Glance._make(row) for row in await conn.all(statement.where(apps.seen_by(account_id)))]
