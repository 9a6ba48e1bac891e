"""Slugs: immutable archives of built apps."""

from sqlalchemy import insert, select

from skypanel.domain.ids import AppId, SlugId
from skypanel.domain.slug import Slug
from skypanel.ports.database import Connection
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.builds import slugs


async def add(conn: Connection, slug: Slug) -> Slug:
    """Add a slug; its archive must be in object storage already."""
    values = {
        "id": slug.id,
        "app_id": slug.app_id,
        "digest": slug.digest,
        "size_bytes": slug.size_bytes,
        "process_types": dict(slug.process_types),
        "buildpacks": list(slug.buildpacks),
        "stack": slug.stack,
        "commit": slug.commit,
    }
    return _read(await one(conn, insert(slugs).values(values).returning(slugs)))


async def get(conn: Connection, slug_id: SlugId) -> Slug:
    """Return a slug. Raises NotFound."""
    return _read(await found(conn, select(slugs).where(slugs.c.id == slug_id), "slug"))


async def own(conn: Connection, app_id: AppId) -> list[str]:
    """Return the digests of an app's slugs that no other app has."""
    other = slugs.alias("other")
    shared = select(other.c.id).where(other.c.digest == slugs.c.digest, other.c.app_id != app_id)
    statement = select(slugs.c.digest).where(slugs.c.app_id == app_id, ~shared.exists()).distinct()
    return [row.digest for row in await conn.all(statement)]


def _read(row: Row) -> Slug:
    return Slug(
        id=row.id,
        app_id=row.app_id,
        digest=row.digest,
        size_bytes=row.size_bytes,
        process_types=row.process_types,
        buildpacks=tuple(row.buildpacks),
        stack=row.stack,
        commit=row.commit,
    )
