"""Makes rows in the store in one line. Values that a test does not care about have defaults."""

import hashlib
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

from sqlalchemy import text as sql

from skypanel.domain.access import Role
from skypanel.domain.build import BuildState, Source
from skypanel.domain.plan import DEFAULT_PLAN, FIRST_PLANS
from skypanel.domain.release import ReleaseState
from skypanel.domain.slug import Slug
from skypanel.store import accounts, apps, builds, config_vars, organizations, plans, releases, slugs

PROCESS_TYPES = {"web": "python app.py", "worker": "python worker.py"}

_numbers = count(1)


def digest(text=None):
    return hashlib.sha256((text or f"object {next(_numbers)}").encode()).hexdigest()


def later(seconds=3600.0):
    return datetime.fromtimestamp(datetime.now(tz=UTC).timestamp() + seconds, tz=UTC)


async def account(conn, email=None, *, is_admin=False):
    return await accounts.add(conn, email or f"person{next(_numbers)}@example.com", is_admin=is_admin)


async def organization(conn, *members, name=None, role=Role.OWNER):
    made = await organizations.add(conn, name or f"Acme {next(_numbers)}", billed=False)
    for member in members:
        await organizations.add_member(conn, made.id, member.id, role)
    return made


async def plan(conn, name=DEFAULT_PLAN):
    existing = {known.name: known for known in await plans.all(conn)}
    return existing.get(name) or await plans.add(conn, next(offer for offer in FIRST_PLANS if offer.name == name))


async def app(conn, name=None, *, owner=None):
    owner = owner or await organization(conn)
    return await apps.add(conn, uuid4(), name or f"app{next(_numbers)}", owner.id, (await plan(conn)).id)


def source(text=None):
    return Source("git", digest(text), commit="c" * 40)


async def build(conn, of, **arguments):
    return await builds.add(conn, of.id, None, arguments.get("source") or source())


async def built(conn, of, made=None, source_=None):
    """Make a build that succeeded with a slug."""
    made = made or await slug(conn, of)
    added = await build(conn, of, source=source_)
    claimed = await builds.claim(conn, "a worker", 60, 2)
    assert claimed.id == added.id
    assert await builds.finish(conn, claimed.id, claimed.attempt, BuildState.SUCCEEDED, slug_id=made.id)
    return await builds.get(conn, claimed.id)


async def slug(conn, of, **changes):
    values = {"digest": digest(), "size_bytes": 1024, "process_types": PROCESS_TYPES, "buildpacks": ("python",), "commit": "c" * 40}
    return await slugs.add(conn, Slug(id=uuid4(), app_id=of.id, **(values | changes)))


async def release(conn, of, *, slug_=None, state=ReleaseState.PENDING, build_id=None):
    made = await releases.add(
        conn,
        of.id,
        slug_id=(slug_ or await slug(conn, of)).id,
        config_version_id=(await config_vars.head(conn, of.id)).id,
        description="Deploy",
        account_id=None,
        build_id=build_id,
    )
    if state is not ReleaseState.PENDING:
        assert await releases.finish(conn, made.id, state)
    return await releases.get(conn, made.id)


async def domain(conn, app_id, name, *, verified=True, leads_here=True):
    """Let an app have a domain that leads here, or claim it only."""
    await conn.execute(
        sql(
            "INSERT INTO paas_domains (app_id, name, token, verified_at, leads_here) "
            "VALUES (:app_id, :name, 'token', CASE WHEN :verified THEN now() END, :leads_here)"
        ),
        {"app_id": app_id, "name": name, "verified": verified, "leads_here": leads_here},
    )
