"""Apps as lists show them, in one statement, however many there are."""

from datetime import datetime

from sqlalchemy import ColumnElement, Integer, Text, Uuid, and_, bindparam, case, cast, func, or_, select, true

from skypanel.domain.app import Listing
from skypanel.domain.ids import AccountId, AppId, OrganizationId
from skypanel.ports.database import Connection
from skypanel.store import apps
from skypanel.store.rows import found
from skypanel.store.tables.accounts import accounts
from skypanel.store.tables.apps import applications
from skypanel.store.tables.builds import slugs
from skypanel.store.tables.organizations import memberships, organizations
from skypanel.store.tables.plans import plan_versions, plans
from skypanel.store.tables.releases import releases

_OWNERS = (
    select(cast(accounts.c.id, Text).label("owner_id"), accounts.c.email.label("owner_email"))
    .join(memberships, memberships.c.account_id == accounts.c.id)
    .where(memberships.c.organization_id == applications.c.organization_id)
    .order_by(memberships.c.role.desc(), memberships.c.created_at)
    .limit(1)
    .lateral()
)
_MINE = memberships.alias("mine")


def _written(moment: ColumnElement[datetime]) -> ColumnElement[str]:
    return func.to_char(func.timezone("UTC", moment), 'YYYY-MM-DD"T"HH24:MI:SS"Z"')


# In the order of Listing's fields. The database formats ids and times: in Python that takes as long as the rest of a list.
_LISTED = (
    select(
        cast(applications.c.id, Text).label("id"),
        applications.c.name,
        _written(applications.c.created_at).label("created_at"),
        applications.c.maintenance,
        plans.c.name.label("plan_name"),
        applications.c.repository_bytes,
        *_OWNERS.c,
        cast(_MINE.c.organization_id, Text).label("team_id"),
        case((_MINE.c.organization_id.is_not(None), organizations.c.name)).label("team_name"),
        _written(releases.c.created_at).label("released_at"),
        func.coalesce(slugs.c.size_bytes, 0).label("slug_bytes"),
        applications.c.deploy_branch,
        applications.c.automatic_certificates,
    )
    .join(organizations, organizations.c.id == applications.c.organization_id)
    .join(plan_versions, plan_versions.c.id == applications.c.plan_version_id)
    .join(plans, plans.c.id == plan_versions.c.plan_id)
    .outerjoin(_OWNERS, true())
    .outerjoin(_MINE, and_(_MINE.c.organization_id == applications.c.organization_id, _MINE.c.account_id == apps.BY))
    .outerjoin(releases, releases.c.id == applications.c.current_release_id)
    .outerjoin(slugs, slugs.c.id == releases.c.slug_id)
)
_ONE = _LISTED.where(applications.c.id == bindparam("of"))
_ORGANIZATION = bindparam("organization", type_=Uuid)
_MANY = (
    _LISTED.where(apps.seen_by(apps.BY), applications.c.name > bindparam("after"))
    .where(or_(_ORGANIZATION.is_(None), applications.c.organization_id == _ORGANIZATION))
    .order_by(applications.c.name)
    .limit(bindparam("limit", type_=Integer))
)


async def get(conn: Connection, app_id: AppId, account_id: AccountId) -> Listing:
    """Return an app as an account sees it. Raises NotFound."""
    return Listing._make(await found(conn, _ONE, "app", {"by": account_id, "of": app_id}))


async def of(
    conn: Connection, account_id: AccountId, *, after: str = "", limit: int | None = None, organization_id: OrganizationId | None = None
) -> list[Listing]:
    """Return the apps that an account may see, in order of name, starting after the name `after`, at most `limit`.

    `organization_id` restricts them to one organization.
    """
    values = {"by": account_id, "after": after, "limit": limit, "organization": organization_id}
    return [Listing._make(row) for row in await conn.all(_MANY, values)]
