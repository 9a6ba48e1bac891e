from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import update

from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.routing import Address
from skypanel.flow import route
from skypanel.store import apps, domains
from skypanel.store.tables.domains import domains as table
from tests.support import factories

NOW = datetime(2024, 1, 1, tzinfo=UTC)


async def add(conn, app, name, due=NOW):
    return await domains.add(conn, app.id, name, "token", account_id=None, at=due)


async def verify(conn, domain):
    await conn.execute(update(table).where(table.c.id == domain.id).values(verified_at=NOW))


async def test_apps_may_claim_one_name_and_one_of_them_proves_it(database):
    async with database.transaction() as conn:
        one, two = await factories.app(conn), await factories.app(conn)
        first, second = await add(conn, one, "www.example.com"), await add(conn, two, "www.example.com")
        await add(conn, one, "example.com")
        await verify(conn, first)
        assert [each.app_id for each in await domains.holders(conn, ["www.example.com", "example.com"])] == [one.id]
        assert [each.name for each in await domains.of(conn, one.id)] == ["example.com", "www.example.com"]
        assert await route.hosts(conn, Address("apps.test", 22, 80, 443), one) == (f"{one.name}.apps.test", "www.example.com")
        assert await domains.count(conn, one.id) == 2
    with pytest.raises(Conflict):
        async with database.transaction() as conn:
            await verify(conn, second)
    async with database.transaction() as conn:
        assert await domains.remove(conn, first.id)
        assert not await domains.remove(conn, first.id)
        await verify(conn, second)


async def test_an_app_has_a_name_once_and_finds_it_by_name_and_id(database):
    async with database.transaction() as conn:
        app, other = await factories.app(conn), await factories.app(conn)
        made = await add(conn, app, "www.example.com")
    with pytest.raises(Conflict, match="a domain of this app already"):
        async with database.transaction() as conn:
            await add(conn, app, "www.example.com")
    async with database.transaction() as conn:
        assert await domains.find(conn, app.id, "www.example.com") == await domains.find(conn, app.id, str(made.id)) == made
        for text in ("www.example.com", str(made.id)):
            with pytest.raises(NotFound):
                await domains.find(conn, other.id, text)
        await apps.remove(conn, app.id)
        assert await domains.of(conn, app.id) == []


async def test_due_checks_are_claimed_once_in_turn(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        for minutes, name in ((2, "b.example.com"), (1, "a.example.com"), (-9, "later.example.com")):
            await add(conn, app, name, NOW - timedelta(minutes=minutes))
    async with database.transaction() as conn, database.transaction() as other:
        assert [each.name for each in await domains.claim(conn, NOW, NOW + timedelta(minutes=1), 1)] == ["b.example.com"]
        assert [each.name for each in await domains.claim(other, NOW, NOW + timedelta(minutes=1), 9)] == ["a.example.com"]
    async with database.transaction() as conn:
        assert await domains.claim(conn, NOW, NOW, 9) == []
        later = await domains.claim(conn, NOW + timedelta(hours=1), NOW + timedelta(hours=2), 9)
        assert (await domains.claim_one(conn, later[0].id, NOW, NOW)).asked_at == NOW
        assert [each.id for each in await domains.claim(conn, NOW, NOW, 9)] == [later[0].id]
        with pytest.raises(NotFound):
            await domains.claim_one(conn, uuid4(), NOW, NOW)


async def test_organizations_take_turns_with_checks(database):
    async with database.transaction() as conn:
        crowd, other = await factories.app(conn), await factories.app(conn)
        for number in range(300):
            await add(conn, crowd, f"d{number}.example.com", NOW - timedelta(minutes=5))
        await add(conn, other, "one.example.net", NOW)
        await add(conn, other, "two.example.net", NOW)
        claimed = [await domains.claim(conn, NOW, NOW + timedelta(minutes=1), 4) for _ in range(2)]
    names = [[each.app_id for each in batch] for batch in claimed]
    assert sorted(names[0][:2]) == sorted([crowd.id, other.id])
    assert names[0].count(other.id) == 2
    assert names[1] == [crowd.id] * 4
