import asyncio
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import migrations
from skypanel.domain.errors import Unavailable
from skypanel.store import migrate, tables
from skypanel.store.columns import metadata

CATALOG = """
    SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'index', tablename::text, indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT 'column', table_name::text, column_name::text,
            concat_ws(' ', data_type, numeric_precision, numeric_scale, is_nullable, column_default, is_identity, identity_generation)
        FROM information_schema.columns WHERE table_schema = 'public'
"""


def connected(dsn):
    return create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(dsn), poolclass=NullPool)


def catalog(dsn):
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(CATALOG)
        return {row for row in cursor.fetchall() if row[1] != migrate.VERSION_TABLE}


@pytest.fixture
def empty(postgres):
    dsn = postgres.create(template="template0")
    yield dsn
    postgres.drop(dsn)


@pytest.mark.req("R4.1")
def test_migrations_and_metadata_agree(dsn):
    with connected(dsn).connect() as connection:
        options = {"version_table": migrate.VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_migrations_and_metadata_make_the_same_catalog(dsn, empty):
    # Autogenerate does not look at checks, delete rules in every form, or the predicates of indexes.
    with connected(empty).begin() as connection:
        metadata.create_all(connection)
    assert catalog(dsn) == catalog(empty)
    assert len(metadata.tables) == len({row[1] for row in catalog(dsn)})


def test_every_table_is_ours_by_name():
    assert {name for name in metadata.tables if not name.startswith("paas_")} == set()
    assert tables.applications.name == "paas_applications"


def test_upgrading_again_changes_nothing(dsn):
    before = catalog(dsn)
    migrate.upgrade(dsn)
    assert catalog(dsn) == before


async def test_upgrades_at_once_take_turns(empty):
    root = Path(migrations.__file__).parent.parent
    upgrade = [sys.executable, "-c", "import sys; from skypanel.store import migrate; migrate.upgrade(sys.argv[1])", empty]
    processes = [await asyncio.create_subprocess_exec(*upgrade, cwd=root) for _ in range(3)]
    assert await asyncio.gather(*(process.wait() for process in processes)) == [0, 0, 0]
    with closing(psycopg2.connect(empty)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT version_num FROM {migrate.VERSION_TABLE}")
        assert len(cursor.fetchall()) == 1
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


def test_one_head(dsn):
    with connected(dsn).connect() as connection:
        assert len(ScriptDirectory.from_config(migrate.configuration(connection)).get_heads()) == 1


def test_a_database_that_is_away_is_unavailable(postgres):
    with pytest.raises(Unavailable, match="does not answer"):
        migrate.upgrade(postgres.dsn("none").replace("host=/", "host=/nowhere/"))
