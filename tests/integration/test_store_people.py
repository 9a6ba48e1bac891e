import asyncio

import pytest

from skypanel.domain.access import Role
from skypanel.domain.errors import Conflict, NotFound
from skypanel.store import accounts, keys, organizations, sign_ins, tokens
from tests.support import factories


async def test_accounts(database):
    async with database.transaction() as conn:
        admin = await accounts.add(conn, "Ada@Example.com", is_admin=True)
        other = await accounts.add(conn, "bob@example.com")
        assert admin.email == "ada@example.com"
        assert await accounts.get(conn, other.id) == other
        assert await accounts.by_email(conn, "ADA@example.com") == admin
        assert await accounts.by_email(conn, "eve@example.com") is None
        assert await accounts.admins(conn) == [admin]
        with pytest.raises(NotFound, match="no such account"):
            await accounts.get(conn, factories.uuid4())


async def test_an_address_has_one_account(database):
    async def add(email):
        async with database.transaction() as conn:
            await accounts.add(conn, email)

    await add("ada@example.com")
    with pytest.raises(Conflict, match=r"ADA@example\.com has an account"):
        await add("ADA@example.com")


async def test_organizations_and_roles(database):
    async with database.transaction() as conn:
        ada, bob = await factories.account(conn), await factories.account(conn)
        first = await organizations.add(conn, "First", billed=False)
        second = await organizations.add(conn, "Second", billed=True)
        await organizations.add_member(conn, second.id, ada.id, Role.OWNER)
        await organizations.add_member(conn, first.id, ada.id, Role.VIEWER)
        assert await organizations.get(conn, second.id) == second
        assert await organizations.of(conn, ada.id) == [second, first]
        assert await organizations.of(conn, bob.id) == []
        assert await organizations.role(conn, first.id, ada.id) is Role.VIEWER
        assert await organizations.role(conn, first.id, bob.id) is None
        with pytest.raises(Conflict, match="member"):
            await organizations.add_member(conn, first.id, ada.id, Role.OWNER)
        with pytest.raises(NotFound):
            await organizations.get(conn, factories.uuid4())


async def test_keys(database):
    async with database.transaction() as conn:
        ada, bob = await factories.account(conn), await factories.account(conn)
        key = await keys.add(conn, ada.id, "ssh-ed25519 AAAA", "SHA256:abc", "laptop")
        assert await keys.of(conn, ada.id) == [key]
        assert key.last_used_at is None
        assert await keys.owner(conn, "SHA256:abc") == ada
        assert await keys.owner(conn, "SHA256:other") is None
        assert (await keys.of(conn, ada.id))[0].last_used_at is not None
        with pytest.raises(Conflict, match="in use"):
            await keys.add(conn, bob.id, "ssh-ed25519 AAAA", "SHA256:abc", "stolen")
        assert not await keys.remove(conn, bob.id, "SHA256:abc")
        assert await keys.remove(conn, ada.id, "SHA256:abc")
        assert await keys.owner(conn, "SHA256:abc") is None


async def test_tokens(database):
    async with database.transaction() as conn:
        ada, bob = await factories.account(conn), await factories.account(conn)
        lasting = await tokens.add(conn, ada.id, factories.digest("lasting"), "laptop", "global", None)
        good = await tokens.add(conn, ada.id, factories.digest("good"), "ci", "read", factories.later())
        await tokens.add(conn, ada.id, factories.digest("lapsed"), "old", "read", factories.later(-1))
        assert await tokens.owner(conn, factories.digest("lasting")) == (ada, "global")
        assert await tokens.owner(conn, factories.digest("good")) == (ada, "read")
        assert await tokens.owner(conn, factories.digest("lapsed")) is None
        assert await tokens.owner(conn, factories.digest("unknown")) is None
        listed = await tokens.of(conn, ada.id)
        assert [token.description for token in listed] == ["laptop", "ci", "old"]
        assert [token.last_used_at is not None for token in listed] == [True, True, False]
        assert not await tokens.revoke(conn, bob.id, lasting.id)
        assert await tokens.revoke(conn, ada.id, good.id)
        assert await tokens.owner(conn, factories.digest("good")) is None


async def test_a_login_link_is_good_once(database):
    async with database.transaction() as conn:
        ada = await factories.account(conn)
        await sign_ins.add_link(conn, ada.id, factories.digest("link"), factories.later())

    async def use():
        async with database.transaction() as conn:
            return await sign_ins.use_link(conn, factories.digest("link"))

    used = await asyncio.gather(*(use() for _ in range(5)))
    assert sorted(used, key=repr) == sorted([ada, None, None, None, None], key=repr)


async def test_lapsed_links_and_sessions_are_worthless_and_forgotten(database):
    async with database.transaction() as conn:
        ada = await factories.account(conn)
        await sign_ins.add_link(conn, ada.id, factories.digest("lapsed"), factories.later(-1))
        assert await sign_ins.use_link(conn, factories.digest("lapsed")) is None
        await sign_ins.add_session(conn, ada.id, factories.digest("lapsed"), factories.later(-1))
        assert await sign_ins.session(conn, factories.digest("lapsed")) is None
        # The same secret again would hit the primary key, were the lapsed ones still there.
        await sign_ins.add_link(conn, ada.id, factories.digest("lapsed"), factories.later())
        await sign_ins.add_session(conn, ada.id, factories.digest("lapsed"), factories.later())
        assert await sign_ins.use_link(conn, factories.digest("lapsed")) == ada
        assert await sign_ins.session(conn, factories.digest("lapsed")) == ada
        await sign_ins.end_session(conn, factories.digest("lapsed"))
        await sign_ins.end_session(conn, factories.digest("lapsed"))
        assert await sign_ins.session(conn, factories.digest("lapsed")) is None
