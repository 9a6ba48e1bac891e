import asyncio
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

import migrations
from skypanel.domain.errors import Unavailable
from skypanel.store import migrate
from skypanel.store.tables import metadata
from skypanel.store.tables.apps import applications
from tests.support.schema import FILE, FUNCTIONS, STALE, TRIGGERS, described

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


def executed(dsn, statement):
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.req("R4.1")
def test_the_file_for_readers_is_what_the_migrations_make(dsn):
    assert described(dsn) == FILE.read_text(), STALE
    executed(dsn, "ALTER TABLE paas_plans ADD COLUMN colour text")
    assert described(dsn) != FILE.read_text()


def test_the_file_for_readers_makes_the_same_catalog(dsn, empty):
    executed(empty, FILE.read_text())
    assert catalog(dsn) == catalog(empty)
    for query in (FUNCTIONS, TRIGGERS):
        assert [row[0] for row in executed(dsn, query)] == [row[0] for row in executed(empty, query)]


def test_every_table_says_what_a_row_is():
    assert [name for name, table in metadata.tables.items() if not table.comment] == []


def test_every_table_is_ours_by_name():
    assert {name for name in metadata.tables if not name.startswith("paas_")} == set()
    assert applications.name == "paas_applications"


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


RUNNING = """
    INSERT INTO paas_organizations (id, name, billed) VALUES (:id, 'Acme', true);
    INSERT INTO paas_plans (id, name) VALUES (:id, 'Standard');
    INSERT INTO paas_plan_versions (id, plan_id, version, cpu_cores, memory_bytes, max_replicas, hourly_price)
        VALUES (:id, :id, 1, 1, 1, 10, 0.02);
    INSERT INTO paas_applications (id, name, organization_id, plan_version_id) VALUES (:id, 'hello', :id, :id);
    INSERT INTO paas_config_versions (id, app_id, number) VALUES (:id, :id, 1);
    INSERT INTO paas_slugs (id, app_id, digest, size_bytes, process_types, buildpacks, stack)
        VALUES (:id, :id, repeat('0', 64), 1, '{"web": "serve"}', '{}', 'heroku-24');
    INSERT INTO paas_releases (id, app_id, version, slug_id, config_version_id, state, description)
        VALUES (:id, :id, 1, :id, :id, 'succeeded', 'Deploy');
    INSERT INTO paas_formations (app_id, process_type, quantity) VALUES (:id, 'web', 3), (:id, 'worker', 1);
    UPDATE paas_applications SET current_release_id = :id;
"""


@pytest.mark.req("R4.3")
def test_an_app_that_runs_as_a_panel_is_upgraded_counts_from_then_on(empty):
    with connected(empty).connect() as connection:
        command.upgrade(migrate.configuration(connection), "0010")
        connection.execute(text(RUNNING), {"id": uuid4()})
        connection.commit()
    migrate.upgrade(empty)
    with connected(empty).connect() as connection:
        spans = connection.execute(text("SELECT process_type, quantity, until, now() - since < interval '1 minute' FROM paas_usage_spans"))
        assert [tuple(span) for span in spans] == [("web", 3, None, True)]


HOURS = """
    INSERT INTO paas_resource_usage (organization_id, hour, app_id, app_name, dyno_seconds, cost)
    SELECT :id, hour, :id, CASE WHEN hour < '2026-11-20' THEN 'before' ELSE 'after' END, 3600, 0.02
    FROM generate_series('2026-10-31 00:00Z'::timestamptz, '2026-12-01 23:00Z', '1 hour') hour
"""


def test_usage_of_before_is_added_up_as_a_panel_is_upgraded(empty):
    with connected(empty).connect() as connection:
        command.upgrade(migrate.configuration(connection), "0046")
        connection.execute(text(HOURS), {"id": uuid4()})
        connection.commit()
    migrate.upgrade(empty)
    with connected(empty).connect() as connection:
        months = connection.execute(text("SELECT month::text, app_name, dyno_seconds / 3600, cost FROM paas_monthly_usage ORDER BY month"))
        days = connection.execute(text("SELECT count(*), min(dyno_seconds), max(cost) FROM paas_daily_totals"))
        assert [tuple(month) for month in months] == [
            ("2026-10-01", "before", 24, Decimal("0.48")),
            ("2026-11-01", "after", 720, Decimal("14.4")),
            ("2026-12-01", "after", 24, Decimal("0.48")),
        ]
        assert [tuple(day) for day in days] == [(32, 86400, Decimal("0.48"))]


@pytest.mark.req("R4.3")
def test_an_organization_whose_wallet_is_empty_stays_so_as_a_panel_is_upgraded(empty):
    def at(connection):
        spans = connection.execute(text("SELECT process_type, until IS NULL FROM paas_usage_spans ORDER BY id"))
        return [tuple(span) for span in spans]

    with connected(empty).connect() as connection:
        command.upgrade(migrate.configuration(connection), "0016")
        connection.execute(text(RUNNING), {"id": uuid4()})
        connection.execute(text("UPDATE paas_organizations SET suspended = true"))
        connection.commit()
        assert at(connection) == [("web", False)]
    migrate.upgrade(empty)
    with connected(empty).connect() as connection:
        assert connection.execute(text("SELECT unpaid, held FROM paas_organizations")).one() == (True, False)
        connection.execute(text("UPDATE paas_organizations SET unpaid = false"))
        assert at(connection) == [("web", False), ("web", True)]
        connection.execute(text("UPDATE paas_organizations SET unpaid = true"))
        assert at(connection) == [("web", False), ("web", False)]


ALIKE = """
    INSERT INTO paas_organizations (id, name, billed, created_at) VALUES
        (gen_random_uuid(), 'acme', true, now()), (gen_random_uuid(), 'Acme', true, now() - interval '2 day'),
        (gen_random_uuid(), 'ACME', true, now() - interval '1 day'), (gen_random_uuid(), 'acme-2', true, now()),
        (gen_random_uuid(), repeat('x', 60), true, now() - interval '1 day'), (gen_random_uuid(), repeat('X', 60), true, now()),
        (gen_random_uuid(), 'Other', true, now());
"""


def test_organizations_that_only_the_case_of_letters_told_apart_get_names_of_their_own(empty):
    with connected(empty).connect() as connection:
        command.upgrade(migrate.configuration(connection), "0015")
        connection.execute(text(ALIKE))
        connection.commit()
    migrate.upgrade(empty)
    with connected(empty).connect() as connection:
        names = set(connection.execute(text("SELECT name FROM paas_organizations")).scalars())
        renamed = connection.execute(
            text("SELECT details->>'before', details->>'name' FROM paas_audit_log WHERE organization_id IS NOT NULL")
        )
        assert {tuple(row) for row in renamed} == {("ACME", "ACME-3"), ("acme", "acme-4"), ("X" * 60, f"{'X' * 54}-2")}
        assert names == {"Acme", "ACME-3", "acme-4", "acme-2", "x" * 60, f"{'X' * 54}-2", "Other"}


CONFIGURED = """
    INSERT INTO paas_config_versions (id, app_id, number) SELECT gen_random_uuid(), :id, number FROM generate_series(2, 4) number;
    INSERT INTO paas_config_vars (config_version_id, key, secret)
        SELECT id, key, secret::bytea FROM paas_config_versions
        JOIN (VALUES (2, 'A', '1'), (2, 'B', '1'), (3, 'A', '1'), (3, 'B', '2'), (4, 'B', '2'), (4, 'C', '1')) vars (number, key, secret)
        USING (number);
"""


def test_config_vars_from_before_an_upgrade_count_as_set_by_the_version_that_changed_them(empty):
    with connected(empty).connect() as connection:
        command.upgrade(migrate.configuration(connection), "0021")
        made = {"id": uuid4()}
        connection.execute(text(RUNNING), made)
        connection.execute(text(CONFIGURED), made)
        connection.commit()
    migrate.upgrade(empty)
    with connected(empty).connect() as connection:
        changed = text(
            "SELECT number, key FROM paas_config_vars JOIN paas_config_versions v ON v.id = config_version_id WHERE changed ORDER BY 1, 2"
        )
        assert [tuple(row) for row in connection.execute(changed)] == [(2, "A"), (2, "B"), (3, "B"), (4, "C")]


def test_migrations_are_numbered_in_a_row_and_each_follows_the_one_before(dsn):
    with connected(dsn).connect() as connection:
        found = list(ScriptDirectory.from_config(migrate.configuration(connection)).walk_revisions())[::-1]
    numbers = [each.revision for each in found]
    # Two that took the same number would be one of them, or two heads.
    files = sorted(Path(migrations.__file__).parent.glob("versions/[0-9]*.py"))
    assert [file.name[:4] for file in files] == numbers == sorted(set(numbers))
    assert [each.down_revision for each in found] == [None, *numbers[:-1]]


def test_a_database_that_is_away_is_unavailable(postgres):
    with pytest.raises(Unavailable, match="does not answer"):
        migrate.upgrade(postgres.dsn("none").replace("host=/", "host=/nowhere/"))
