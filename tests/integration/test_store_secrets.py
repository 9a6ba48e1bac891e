import json

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, update

from skypanel.domain.errors import Conflict, Invalid, NotFound, Unavailable
from skypanel.drivers.crypto.fernet import FernetCipher
from skypanel.store import config_vars, releases
from skypanel.store.tables.config_vars import config_vars as table
from tests.support import factories

PLAIN = "correct horse battery staple"


async def test_every_app_begins_with_an_empty_version(database):
    async with database.transaction() as conn:
        app = await factories.app(conn)
        head = await config_vars.head(conn, app.id)
        assert (head.number, head.app_id, head.secrets) == (1, app.id, {})
        assert await config_vars.get(conn, head.id) == head
        for missing in (config_vars.head, config_vars.get):
            with pytest.raises(NotFound):
                await missing(conn, factories.uuid4())


async def test_a_version_never_changes(database):
    async with database.transaction() as conn:
        app, other = await factories.app(conn), await factories.app(conn)
        person = await factories.account(conn)
        first = await config_vars.add(conn, app.id, {"KEEP": b"1", "DROP": b"2"}, person.id)
        second = await config_vars.add(conn, app.id, {"KEEP": b"1"}, None)
        assert (first.number, second.number) == (2, 3)
        assert await config_vars.head(conn, app.id) == second
        assert dict((await config_vars.get(conn, first.id)).secrets) == {"KEEP": b"1", "DROP": b"2"}
        assert (await config_vars.head(conn, other.id)).number == 1
        assert "b'1'" not in repr(first)


async def test_a_version_that_a_release_has_cannot_be_deleted(database):
    async with database.transaction() as conn:
        release = await factories.release(conn, await factories.app(conn))

    async def delete():
        async with database.transaction() as conn:
            versions = config_vars.config_versions
            await conn.execute(versions.delete().where(versions.c.id == release.config_version_id))

    with pytest.raises(Conflict):
        await delete()
    async with database.transaction() as conn:
        assert await releases.get(conn, release.id) == release


@pytest.mark.req("R12.5")
@pytest.mark.parametrize("key", ["lower", "WITH-DASH", "", "ÄÖÜ", "TWO\nLINES", "A=B"])
async def test_the_database_refuses_other_keys(database, key):
    async def add():
        async with database.transaction() as conn:
            await config_vars.add(conn, (await factories.app(conn)).id, {key: b"1"}, None)

    with pytest.raises(Invalid):
        await add()


@pytest.mark.req("R4.5")
@pytest.mark.req("R12.1")
async def test_nothing_in_the_database_is_in_the_clear(postgres, database, dsn):
    cipher = FernetCipher([Fernet.generate_key().decode()])
    async with database.transaction() as conn:
        app = await factories.app(conn)
        await config_vars.add(conn, app.id, {"PASSPHRASE": cipher.encrypt(PLAIN)}, None)
        head = await config_vars.head(conn, app.id)
    assert cipher.decrypt(head.secrets["PASSPHRASE"]) == PLAIN
    dump = postgres.dump(dsn)
    assert b"PASSPHRASE" in dump
    for form in (PLAIN, json.dumps(PLAIN), PLAIN.encode().hex()):
        assert form.encode() not in dump


@pytest.mark.req("R4.5")
async def test_keys_are_rotated_away(database):
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    before, during, after = FernetCipher([old]), FernetCipher([new, old]), FernetCipher([new])
    values = {f"KEY{number}": f"{PLAIN} {number}" for number in range(5)}
    async with database.transaction() as conn:
        app = await factories.app(conn)
        version = await config_vars.add(conn, app.id, {key: before.encrypt(value) for key, value in values.items()}, None)
    with pytest.raises(Unavailable):
        after.decrypt(version.secrets["KEY0"])

    last, pages = 0, 0
    while True:
        async with database.transaction() as conn:
            page = await config_vars.page(conn, last, 2)
            for secret in page:
                await config_vars.replace(conn, secret.id, during.rotate(secret.secret))
        if not page:
            break
        last, pages = page[-1].id, pages + 1

    assert pages == 3
    async with database.transaction() as conn:
        rotated = await config_vars.head(conn, app.id)
    assert rotated.id == version.id
    assert {key: after.decrypt(secret) for key, secret in rotated.secrets.items()} == values
    with pytest.raises(Unavailable):
        before.decrypt(rotated.secrets["KEY0"])


async def test_rotating_a_secret_that_is_gone_is_no_error(database):
    async with database.transaction() as conn:
        await config_vars.replace(conn, 2**40, b"secret")
        assert await config_vars.page(conn, 0, 10) == []


async def test_a_key_is_once_in_a_version(database):
    async def add_twice():
        async with database.transaction() as conn:
            head = await config_vars.head(conn, (await factories.app(conn)).id)
            for _ in range(2):
                await conn.execute(insert(table).values(config_version_id=head.id, key="KEY", secret=b"1"))
            await conn.execute(update(table).values(secret=b"2"))

    with pytest.raises(Conflict):
        await add_twice()
