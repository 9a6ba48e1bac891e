"""The engine against a real Postgres, its restarts included."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg2
import pytest
from sqlalchemy import Integer, bindparam, column, func, insert, literal, select, table, text, update

from skypanel.domain.errors import Conflict, Invalid, Unavailable
from skypanel.store import accounts, apps, compiled, locks
from skypanel.store.engine import MAX_CONNECTIONS, Postgres
from skypanel.store.tables.accounts import accounts as accounts_table
from skypanel.store.tables.apps import applications
from skypanel.store.tables.builds import slugs
from skypanel.store.tables.organizations import organizations
from tests.support import factories
from tests.support.until import until

DEADLINE_S = 20.0


async def emails(database):
    async with database.transaction() as conn:
        return [row.email for row in await conn.all(select(column("email")).select_from(table("paas_accounts")).order_by(column("email")))]


async def waiting_sessions(database):
    """Return the process ids of this database's sessions that wait for an advisory lock."""
    waiting = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'")
    async with database.transaction() as conn:
        return {row.pid for row in await conn.all(waiting)}


async def test_commits_at_the_end(database):
    async with database.transaction() as conn:
        await accounts.add(conn, "a@example.com")
    assert await emails(database) == ["a@example.com"]


async def test_rolls_back_when_the_block_raises(database):
    async def attempt():
        async with database.transaction() as conn:
            await accounts.add(conn, "a@example.com")
            raise KeyError

    with pytest.raises(KeyError):
        await attempt()
    assert await emails(database) == []


async def test_rows_carry_python_values(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        slug = await factories.slug(conn, app, process_types={"worker": "w", "a": "b"}, buildpacks=("x", "y,z"))
        row = await conn.first(select(slugs).where(slugs.c.id == slug.id))
        price = await conn.first(select(literal(Decimal("0.0050")).label("price"), func.now().label("at"), literal(b"\0\xff").label("raw")))
    assert isinstance(row.id, UUID)
    assert (row.buildpacks, list(row.process_types)) == (["x", "y,z"], ["worker", "a"])
    assert row.created_at <= datetime.now(tz=UTC)
    assert (price.price, price.at.tzinfo is not None, price.raw) == (Decimal("0.0050"), True, b"\0\xff")


async def test_in_lists_percent_signs_and_quotes_are_bound(database):
    hostile = "50%s '; DROP TABLE paas_accounts; -- %(x)s"
    async with database.transaction() as conn:
        for name in ("one", hostile):
            await conn.execute(insert(organizations).values(name=name, billed=False))
        found = await conn.all(select(organizations.c.name).where(organizations.c.name.in_([hostile, "none"])))
        likes = await conn.all(select(organizations.c.name).where(organizations.c.name.like("50%")))
    assert [row.name for row in found] == [row.name for row in likes] == [hostile]


async def test_a_shape_is_compiled_once_and_each_statement_has_its_own_values(database):
    def named(*names):
        return select(organizations.c.name).where(organizations.c.name.in_(names), organizations.c.billed.is_(False))

    shapes = {compiled.of(named(*names)).compiled for names in (("one",), ("two", "three"), ())}
    assert len(shapes) == 1
    async with database.transaction() as conn:
        for name in ("one", "two", "three"):
            await conn.execute(insert(organizations).values(name=name, billed=False))
        found = [[row.name for row in await conn.all(named(*names))] for names in (("one",), ("two", "three"), (), ("one", "two"))]
    assert [sorted(names) for names in found] == [["one"], ["three", "two"], [], ["one", "two"]]


async def test_a_statement_that_is_made_once_is_prepared_in_each_connection(database):
    named = select(organizations.c.name, literal("50%").label("percent")).where(organizations.c.name == bindparam("of"))
    prepared = text("SELECT statement FROM pg_prepared_statements WHERE from_sql")

    async def found(conn, name):
        return [tuple(row) for row in await conn.all(named, {"of": name})]

    async with database.transaction() as conn:
        await conn.execute(insert(organizations).values(name="one", billed=False))
        assert await found(conn, "one") == [("one", "50%")]
        assert await found(conn, "'; DROP TABLE paas_accounts; -- %(of)s") == []
        async with database.transaction() as other:
            assert await found(other, "one") == []
            assert len(await other.all(prepared)) == 1
        assert len(await conn.all(prepared)) == 1


async def test_what_is_prepared_outlives_a_transaction_that_fails(database):
    broken = select(literal(1) / bindparam("by", type_=Integer))

    async def fail():
        async with database.transaction() as conn:
            await conn.first(broken, {"by": 0})

    for _ in range(2):
        with pytest.raises(Invalid):
            await fail()
    async with database.autocommit() as conn:
        with pytest.raises(Invalid):
            await conn.first(broken, {"by": 0})
        assert tuple(await conn.first(broken, {"by": 1})) == (1,)
        assert tuple(await conn.first(select(func.length("two")), {})) == (3,)


async def test_autocommit_keeps_each_statement(database):
    async def fail_at_the_end():
        async with database.autocommit() as conn:
            await accounts.add(conn, "ada@example.com")
            with pytest.raises(Conflict):
                await conn.execute(insert(accounts_table).values(email="ada@example.com"))
            await accounts.add(conn, "bob@example.com")
            raise ValueError("too late")

    with pytest.raises(ValueError, match="too late"):
        await fail_at_the_end()
    assert await emails(database) == ["ada@example.com", "bob@example.com"]


async def test_what_cannot_be_sent_begins_nothing(database):
    async def fail_at_the_end():
        async with database.transaction() as conn:
            with pytest.raises(Invalid, match="cannot be stored"):
                await accounts.add(conn, "a\0da@example.com")
            await accounts.add(conn, "bob@example.com")
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        await fail_at_the_end()
    assert await emails(database) == []


async def test_nothing_is_sent_without_a_statement():
    async with Postgres("host=/nowhere").transaction():
        pass


async def test_execute_counts_rows(database):
    async with database.transaction() as conn:
        await factories.organization(conn)
        await factories.organization(conn)
        assert await conn.execute(update(organizations).values(billed=True)) == 2
        assert await conn.execute(update(organizations).where(organizations.c.name == "y").values(billed=True)) == 0


async def test_a_taken_unique_value_is_a_conflict(database):
    async with database.transaction() as conn:
        await factories.app(conn, "hello")
        other = await factories.app(conn, "other")

    async def attempt():
        async with database.transaction() as conn:
            await conn.execute(update(applications).where(applications.c.id == other.id).values(name="hello"))

    with pytest.raises(Conflict):
        await attempt()


async def test_a_missing_owner_is_a_conflict(database):
    async def attempt():
        async with database.transaction() as conn:
            plan = await factories.plan(conn)
            await apps.add(conn, uuid4(), "hello", uuid4(), plan.id)

    with pytest.raises(Conflict):
        await attempt()


@pytest.mark.parametrize("name", ["Not A Label", "a" * 31, "dash-", "two\nlines", "nul\0"])
async def test_a_bad_value_is_invalid(database, name):
    async def attempt():
        async with database.transaction() as conn:
            await factories.app(conn, name)

    with pytest.raises(Invalid):
        await attempt()


async def test_what_cannot_be_computed_is_invalid(database):
    async def attempt():
        async with database.transaction() as conn:
            await conn.execute(select(literal(1) / 0))

    with pytest.raises(Invalid):
        await attempt()


async def test_serialization_failures_are_conflicts(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
    rename = update(applications).where(applications.c.id == app.id)

    async def attempt():
        async with database.transaction() as first:
            await first.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
            await apps.get(first, app.id)
            async with database.transaction() as second:
                await second.execute(rename.values(name="second"))
            await first.execute(rename.values(name="first"))

    with pytest.raises(Conflict):
        await attempt()


async def test_a_swallowed_error_is_not_committed_in_silence(database):
    async def attempt():
        async with database.transaction() as conn:
            await accounts.add(conn, "a@example.com")
            with pytest.raises(Conflict):
                await accounts.add(conn, "A@example.com")

    with pytest.raises(RuntimeError, match="nothing can be committed"):
        await attempt()
    assert await emails(database) == []


async def test_a_cancelled_statement_leaves_a_working_pool_and_no_locks(database):
    sessions = []

    async def wait_for_lock(number):
        async with database.transaction() as conn:
            sessions.append((await conn.first(select(func.pg_backend_pid().label("pid")))).pid)
            await accounts.add(conn, f"never{number}@example.com")
            await locks.hold(conn, "held")

    async def last_waits():
        return len(sessions) == number + 1 and sessions[-1] in await waiting_sessions(database)

    async def none_waits():
        return not await waiting_sessions(database)

    async with database.transaction() as holder:
        await locks.hold(holder, "held")
        for number in range(MAX_CONNECTIONS + 1):
            waiter = asyncio.create_task(wait_for_lock(number))
            await until(last_waits, DEADLINE_S)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
        await until(none_waits, DEADLINE_S)
        async with database.transaction() as conn:
            await accounts.add(conn, "never0@example.com")
    assert await emails(database) == ["never0@example.com"]


async def test_a_statement_that_the_server_cancels_is_no_cancellation(database):
    async def attempt():
        async with database.transaction() as conn:
            await conn.execute(text("SET LOCAL statement_timeout = '10ms'"))
            await conn.execute(select(func.pg_sleep(30)))

    with pytest.raises(Unavailable):
        await attempt()
    assert await emails(database) == []


async def test_a_cancellation_that_comes_with_the_answer_is_not_lost(database, dsn):
    sleeping = text("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
    went_on = asyncio.Event()

    async def work():
        async with database.transaction() as conn:
            await conn.execute(select(func.pg_sleep(0.5)))
            went_on.set()

    async def sleeps():
        async with database.transaction() as conn:
            return await conn.first(sleeping) is not None

    worker = asyncio.create_task(work())
    await until(sleeps, DEADLINE_S)
    asyncio.get_running_loop().call_later(0.001, worker.cancel)
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        # Holds up this event loop, so that it finds the answer and the cancellation at the same time.
        cursor.execute("SELECT pg_sleep(0.7)")
    with pytest.raises(asyncio.CancelledError):
        await worker
    assert not went_on.is_set()
    assert await emails(database) == []


async def test_cancelled_between_statements_rolls_back(database):
    inside = asyncio.Event()

    async def wait():
        async with database.transaction() as conn:
            await accounts.add(conn, "never@example.com")
            inside.set()
            await asyncio.Event().wait()

    waiter = asyncio.create_task(wait())
    await inside.wait()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert await emails(database) == []


async def test_more_transactions_than_connections_take_turns(database):
    async def add(number):
        async with database.transaction() as conn:
            await accounts.add(conn, f"{number:02}@example.com")

    await asyncio.gather(*(add(number) for number in range(4 * MAX_CONNECTIONS)))
    assert len(await emails(database)) == 4 * MAX_CONNECTIONS


async def test_nobody_is_overtaken_for_ever(database):
    tasks, rounds = 8 * MAX_CONNECTIONS, 10
    served = [0] * tasks

    async def insist(number):
        while sum(served) < tasks * rounds:
            async with database.transaction() as conn:
                await conn.execute(select(func.pg_sleep(0.001)))
            served[number] += 1

    await asyncio.gather(*(insist(number) for number in range(tasks)))
    assert min(served) >= rounds - 1


async def test_who_waits_too_long_for_a_turn_is_told(dsn):
    impatient = Postgres(dsn, patience_s=0.3)

    async def dawdle():
        async with impatient.transaction() as conn:
            await conn.execute(select(func.pg_sleep(1)))

    dawdlers = [asyncio.create_task(dawdle()) for _ in range(MAX_CONNECTIONS)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too much to do"):
        await dawdle()
    await asyncio.gather(*dawdlers)
    await impatient.close()


async def test_a_restart_between_transactions_is_not_noticed(postgres, database):
    await asyncio.gather(*(emails(database) for _ in range(MAX_CONNECTIONS)))
    postgres.stop()
    postgres.start()
    await asyncio.gather(*(emails(database) for _ in range(2 * MAX_CONNECTIONS)))


async def test_a_transaction_waits_for_a_server_that_restarts(postgres, database):
    await emails(database)
    postgres.stop()
    waiter = asyncio.create_task(emails(database))
    done, _ = await asyncio.wait({waiter}, timeout=0.3)
    assert not done
    postgres.start()
    assert await waiter == []


async def test_a_restart_is_waited_for_by_a_statement_of_its_own_too(postgres, database):
    await emails(database)
    postgres.stop()
    postgres.start()
    async with database.autocommit() as conn:
        assert await accounts.by_email(conn, "ada@example.com") is None


async def test_a_restart_within_a_transaction_loses_that_transaction_alone(postgres, database):
    async def attempt():
        async with database.transaction() as conn:
            await accounts.add(conn, "lost@example.com")
            postgres.stop()
            postgres.start()
            await accounts.add(conn, "lost-too@example.com")

    with pytest.raises(Unavailable):
        await attempt()
    async with database.transaction() as conn:
        await accounts.add(conn, "kept@example.com")
    assert await emails(database) == ["kept@example.com"]


async def test_a_restart_before_the_commit_is_reported(postgres, database):
    async def attempt():
        async with database.transaction() as conn:
            await accounts.add(conn, "lost@example.com")
            postgres.stop()
            postgres.start()

    with pytest.raises(Unavailable):
        await attempt()
    assert await emails(database) == []


async def test_a_server_that_stays_away_is_unavailable(postgres):
    away = Postgres(postgres.dsn("postgres").replace("host=/", "host=/nowhere/"), patience_s=0.3)

    async def attempt():
        async with away.transaction() as conn:
            await conn.first(text("SELECT 1"))
            pytest.fail("there is no such server")

    with pytest.raises(Unavailable, match="does not answer"):
        await attempt()
    await away.close()


async def test_closing_twice_and_opening_again(database):
    await emails(database)
    await database.close()
    await database.close()
    assert await emails(database) == []
