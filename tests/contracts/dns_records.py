"""The contract of the port DnsRecords.

A subclass provides the fixtures `records`, the driver, and `shown`, an async function that returns the TXT records of a name.
"""

NAME = "_acme-challenge.apps.example.com"


class DnsRecordsContract:
    async def test_a_name_has_several_records_at_once(self, records, shown):
        assert await shown(NAME) == set()
        await records.publish(NAME, "first")
        await records.publish(NAME, "second")
        assert await shown(NAME) == {"first", "second"}
        await records.remove(NAME, "first")
        assert await shown(NAME) == {"second"}
        await records.remove(NAME, "second")
        assert await shown(NAME) == set()

    async def test_again_is_the_same(self, records, shown):
        await records.remove(NAME, "first")
        for _ in range(2):
            await records.publish(NAME, "first")
        assert await shown(NAME) == {"first"}
        for _ in range(2):
            await records.remove(NAME, "first")
        assert await shown(NAME) == set()
