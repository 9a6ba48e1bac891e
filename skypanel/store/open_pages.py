"""What the open pages of browsers may still show."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Text, Uuid, and_, bindparam, case, cast, func, literal_column, null, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY

from skypanel.domain.ids import AccountId, AppId, OrganizationId
from skypanel.ports.database import Connection
from skypanel.store import expiry
from skypanel.store.accounts import ENABLED
from skypanel.store.tables.accounts import accounts, sessions
from skypanel.store.tables.apps import applications, collaborators
from skypanel.store.tables.organizations import memberships

# Postgres cannot tell the type of a parameter in its place.
_COMMA: ColumnElement[str] = literal_column("','")


def _memberships() -> ColumnElement[str]:
    role = func.concat(memberships.c.organization_id, memberships.c.role)
    return select(func.string_agg(role, _COMMA)).where(memberships.c.account_id == accounts.c.id).correlate(accounts).scalar_subquery()


def _shares() -> ColumnElement[str]:
    role = func.concat(collaborators.c.app_id, collaborators.c.role)
    return select(func.string_agg(role, _COMMA)).where(collaborators.c.account_id == accounts.c.id).correlate(accounts).scalar_subquery()


_ASKED = (
    func.unnest(cast(bindparam("digests"), ARRAY(Text)), cast(bindparam("app_ids"), ARRAY(Text)))
    .table_valued("digest", "app_id")
    .render_derived(name="asked")
)
_DIGEST, _APP_ID = cast(_ASKED.c.digest, Text), cast(_ASKED.c.app_id, Uuid)
_ROLE = func.greatest(memberships.c.role, collaborators.c.role)
_ALL = func.concat_ws(_COMMA, _memberships(), _shares())
_REACH = (
    select(
        _DIGEST.label("digest"),
        _APP_ID.label("app_id"),
        case((_APP_ID.is_(None), _ALL), else_=cast(_ROLE, Text)).label("reach"),
    )
    .select_from(_ASKED)
    .join(sessions, and_(sessions.c.digest == _DIGEST, expiry.valid(sessions)))
    .join(accounts, and_(accounts.c.id == sessions.c.account_id, ENABLED))
    .outerjoin(applications, applications.c.id == _APP_ID)
    .outerjoin(
        memberships, and_(memberships.c.organization_id == applications.c.organization_id, memberships.c.account_id == accounts.c.id)
    )
    .outerjoin(collaborators, and_(collaborators.c.app_id == applications.c.id, collaborators.c.account_id == accounts.c.id))
)


async def reach(conn: Connection, pages: Collection[tuple[str, AppId | None]]) -> dict[tuple[str, AppId | None], str]:
    """Return a text for each of these pages that may still be seen. It differs whenever what the visitor may see there differs.

    A page is the digest of its session, and its app, or None for the list of apps. The text is the visitor's role on the app, or all roles.
    """
    values = {"digests": [digest for digest, _ in pages], "app_ids": [app_id and str(app_id) for _, app_id in pages]}
    return {(row.digest, row.app_id): row.reach for row in await conn.all(_REACH, values) if row.reach is not None}


_OWNED = select(memberships.c.organization_id, null().label("app_id")).where(memberships.c.account_id == bindparam("by", type_=Uuid))
_SHARED = select(null(), collaborators.c.app_id).where(collaborators.c.account_id == bindparam("by", type_=Uuid))
_LISTED = union_all(_OWNED, _SHARED)


async def listed(conn: Connection, account_id: AccountId) -> tuple[set[OrganizationId], set[AppId]]:
    """Return the organizations whose apps the list of an account has, and the other apps in it."""
    rows = await conn.all(_LISTED, {"by": account_id})
    return {row.organization_id for row in rows if row.organization_id}, {row.app_id for row in rows if row.app_id}
