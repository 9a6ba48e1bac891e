"""The contract of the port Objects. A subclass provides the fixture `objects`."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

import pytest

from skypanel.domain.errors import Invalid, NotFound


async def chunks(*bodies):
    for body in bodies:
        yield body


async def read(objects, kind, name):
    return b"".join([chunk async for chunk in objects.read(kind, name)])


async def names(objects, kind):
    return {kept.name async for kept in objects.list(kind)}


LONG = timedelta(days=1)


class ObjectsContract:
    async def test_an_object_is_found_under_its_digest(self, objects):
        stored = await objects.add("slugs", chunks(b"one ", b"two"))
        assert stored.digest == hashlib.sha256(b"one two").hexdigest()
        assert stored.size_bytes == 7
        assert await read(objects, "slugs", stored.digest) == b"one two"
        assert await objects.exists("slugs", stored.digest)
        assert not await objects.exists("sources", stored.digest)

    async def test_adding_an_object_twice_is_adding_it_once(self, objects):
        first = await objects.add("sources", chunks(b"same"))
        assert await objects.add("sources", chunks(b"sa", b"me")) == first
        assert await read(objects, "sources", first.digest) == b"same"

    async def test_an_empty_object_is_one(self, objects):
        stored = await objects.add("sources", chunks())
        assert stored.size_bytes == 0
        assert await read(objects, "sources", stored.digest) == b""

    async def test_an_object_as_large_as_allowed_is_taken_and_a_larger_one_refused(self, objects):
        assert (await objects.add("slugs", chunks(b"12", b"34"), max_bytes=4)).size_bytes == 4
        with pytest.raises(Invalid):
            await objects.add("slugs", chunks(b"12", b"345"), max_bytes=4)
        assert not await objects.exists("slugs", hashlib.sha256(b"12345").hexdigest())

    async def test_a_missing_object_is_not_found(self, objects):
        with pytest.raises(NotFound):
            await read(objects, "slugs", "0" * 64)

    async def test_a_deleted_object_is_gone_and_may_be_deleted_again(self, objects):
        stored = await objects.add("slugs", chunks(b"x"))
        await objects.delete("slugs", stored.digest)
        await objects.delete("slugs", stored.digest)
        assert not await objects.exists("slugs", stored.digest)

    async def test_an_object_with_a_name_is_replaced(self, objects):
        await objects.put("outputs", "build/1.1", b"old")
        await objects.put("outputs", "build/1.1", b"new")
        assert await read(objects, "outputs", "build/1.1") == b"new"
        assert not await objects.exists("outputs", "build/1.2")

    @pytest.mark.parametrize(("kind", "name"), [("keys", "a"), ("outputs", ""), ("outputs", ".."), ("outputs", "../../keys/x")])
    async def test_what_cannot_name_an_object_is_refused(self, objects, kind, name):
        with pytest.raises(Invalid):
            await objects.put(kind, name, b"")

    async def test_what_is_there_is_listed_by_kind_with_its_age(self, objects):
        stored = await objects.add("slugs", chunks(b"x"))
        await objects.put("outputs", "build/1.1", b"lines")
        assert await names(objects, "slugs") == {stored.digest}
        assert await names(objects, "outputs") == {"build/1.1"}
        assert await names(objects, "sources") == set()
        (kept,) = [kept async for kept in objects.list("slugs")]
        assert abs(datetime.now(UTC) - kept.modified_at) < timedelta(minutes=1)

    async def test_an_object_is_deleted_only_if_it_is_as_old_as_asked(self, objects):
        stored = await objects.add("slugs", chunks(b"x"))
        await objects.delete("slugs", stored.digest, datetime.now(UTC) - LONG)
        assert await objects.exists("slugs", stored.digest)
        await objects.delete("slugs", stored.digest, datetime.now(UTC) + LONG)
        await objects.delete("slugs", stored.digest, datetime.now(UTC) + LONG)
        assert not await objects.exists("slugs", stored.digest)

    async def test_a_url_leads_to_the_object_where_there_is_one(self, objects):
        stored = await objects.add("slugs", chunks(b"x" * 1000))
        url = await objects.url("slugs", stored.digest, 60)
        assert url is None or await asyncio.to_thread(fetched, url) == b"x" * 1000

    async def test_sweeping_takes_no_object(self, objects):
        stored = await objects.add("slugs", chunks(b"x"))
        await objects.sweep(datetime.now(UTC) + LONG)
        assert await objects.exists("slugs", stored.digest)

    async def test_it_goes_on_after_it_was_closed(self, objects):
        stored = await objects.add("slugs", chunks(b"x"))
        await objects.close()
        assert await read(objects, "slugs", stored.digest) == b"x"


def fetched(url):
    with urlopen(url, timeout=60) as response:
        return response.read()
