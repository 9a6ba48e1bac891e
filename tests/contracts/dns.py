"""The contract of the port Dns.

A subclass provides the fixtures `resolver`, the driver, and `zone`, whose `put` and `fail` set what the servers of example.com answer.
"""

import re

import pytest

from skypanel.domain.dns import Fault, RecordType, reason

NAME = "_skypanel-challenge.www.example.com"


class DnsContract:
    async def test_values_of_records_are_returned(self, resolver, zone):
        zone.put(NAME, "TXT", "another text", "token")
        zone.put("example.com", "A", "203.0.113.5")
        zone.put("example.com", "AAAA", "2001:db8::5")
        assert set((await resolver.look_up(NAME, RecordType.TXT, zone.resolvers)).values) == {"another text", "token"}
        assert (await resolver.look_up("example.com", RecordType.A, zone.resolvers)).values == ("203.0.113.5",)
        assert (await resolver.look_up("example.com", RecordType.AAAA, zone.resolvers)).values == ("2001:db8::5",)

    async def test_a_new_record_is_seen_at_once(self, resolver, zone):
        assert (await resolver.look_up(NAME, RecordType.TXT, zone.resolvers)).fault is Fault.NO_NAME
        zone.put(NAME, "TXT", "token")
        assert (await resolver.look_up(NAME, RecordType.TXT, zone.resolvers)).values == ("token",)

    async def test_aliases_are_followed_and_told(self, resolver, zone):
        zone.put("www.example.com", "CNAME", "cdn.example.com.")
        zone.put("cdn.example.com", "CNAME", "edge.example.com.")
        zone.put("edge.example.com", "A", "203.0.113.5")
        lookup = await resolver.look_up("www.example.com", RecordType.A, zone.resolvers)
        assert (lookup.values, lookup.aliases, lookup.fault) == (("203.0.113.5",), ("cdn.example.com", "edge.example.com"), None)

    async def test_what_is_not_there_is_told_apart(self, resolver, zone):
        zone.put("example.com", "A", "203.0.113.5")
        lookup = await resolver.look_up("example.com", RecordType.AAAA, zone.resolvers)
        assert lookup.fault is Fault.NO_RECORD
        assert reason("example.com", RecordType.AAAA, lookup).startswith("example.com has no AAAA record")
        lookup = await resolver.look_up(NAME, RecordType.TXT, zone.resolvers)
        assert lookup.fault is Fault.NO_NAME
        assert reason(NAME, RecordType.TXT, lookup).startswith(f"{NAME} does not exist in DNS")

    async def test_circles_of_aliases_end(self, resolver, zone):
        zone.put("www.example.com", "CNAME", "a.example.com.")
        zone.put("a.example.com", "CNAME", "www.example.com.")
        lookup = await resolver.look_up("www.example.com", RecordType.A, zone.resolvers)
        assert lookup.fault is Fault.LOOP
        assert "lead in a circle" in reason("www.example.com", RecordType.A, lookup)

    async def test_long_chains_of_aliases_end(self, resolver, zone):
        for number in range(20):
            zone.put(f"a{number}.example.com", "CNAME", f"a{number + 1}.example.com.")
        assert (await resolver.look_up("a0.example.com", RecordType.A, zone.resolvers)).fault is Fault.LOOP

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (Fault.BROKEN, "SERVFAIL"),
            (Fault.BOGUS, "The DNSSEC signatures of .* are wrong .signature expired."),
            (Fault.REFUSED, "REFUSED"),
            (Fault.SILENT, "do not answer"),
            (Fault.LYING, "another question"),
        ],
    )
    async def test_each_failure_is_told_apart_in_words(self, resolver, zone, fault, words):
        zone.put(NAME, "TXT", "token")
        zone.fail(NAME, fault)
        lookup = await resolver.look_up(NAME, RecordType.TXT, zone.resolvers, timeout_s=1.5)
        assert (lookup.values, lookup.fault) == ((), fault)
        assert re.search(words, reason(NAME, RecordType.TXT, lookup))
