import asyncio
import socket
import time

import aiohttp
import pytest

from skypanel.domain.dns import Fault, RecordType, Server
from skypanel.drivers.dns import authoritative
from skypanel.drivers.dns.authoritative import AuthoritativeDns
from tests.contracts.dns import NAME, DnsContract
from tests.fixtures.name_server import running_name_server
from tests.support.ports import free_ports
from tests.support.until import until


@pytest.fixture
async def zone():
    async with running_name_server() as server:
        yield server


@pytest.fixture
def resolver(zone):
    return AuthoritativeDns(zone.port, lambda _address: True)


class TestAuthoritativeDns(DnsContract):
    async def test_the_zones_own_servers_are_asked(self, resolver, zone):
        zone.put(NAME, "TXT", "token")
        await resolver.look_up(NAME, RecordType.TXT, zone.resolvers)
        assert zone.asked == [(NAME, "TXT")]

    async def test_private_servers_are_left_to_the_resolver(self, zone):
        zone.put(NAME, "TXT", "token")
        assert (await AuthoritativeDns(zone.port).look_up(NAME, RecordType.TXT, zone.resolvers)).values == ("token",)
        assert zone.asked == []

    async def test_long_answers_come_over_tcp(self, resolver, zone):
        zone.put(NAME, "TXT", *(f"{number} {'x' * 200}" for number in range(10)))
        assert len((await resolver.look_up(NAME, RecordType.TXT, zone.resolvers)).values) == 10

    async def test_servers_that_are_silent_cost_a_bounded_time(self, resolver, zone):
        zone.fail(NAME, Fault.SILENT)
        before = time.monotonic()
        assert (await resolver.look_up(NAME, RecordType.TXT, zone.resolvers, timeout_s=0.5)).fault is Fault.SILENT
        assert time.monotonic() - before < 20

    async def test_lookups_wait_for_their_turn(self, zone, monkeypatch):
        monkeypatch.setattr(authoritative, "AT_ONCE", 1)
        zone.put(NAME, "TXT", "token")
        zone.fail("silent.example.com", Fault.SILENT)
        resolver, ended = AuthoritativeDns(zone.port, lambda _address: True), []

        async def ask(name, timeout_s):
            await resolver.look_up(name, RecordType.TXT, zone.resolvers, timeout_s=timeout_s)
            ended.append(name)

        await asyncio.gather(ask("silent.example.com", 0.3), ask(NAME, 8.0))
        assert ended == ["silent.example.com", NAME]

    async def test_answers_about_other_names_are_no_answers(self, resolver, zone):
        zone.put(NAME, "TXT", "token")
        zone.rename = {NAME: "evil.example.org."}
        lookup = await resolver.look_up(NAME, RecordType.TXT, zone.resolvers)
        assert (lookup.values, lookup.fault) == ((), Fault.LYING)

    async def test_a_resolver_that_is_gone_is_passed_over(self, resolver, zone):
        [port] = free_ports(1)
        zone.put(NAME, "TXT", "token")
        gone = Server("127.0.0.1", port)
        assert (await resolver.look_up(NAME, RecordType.TXT, (gone, *zone.resolvers))).values == ("token",)
        assert (await resolver.look_up(NAME, RecordType.TXT, (gone,))).fault is Fault.SILENT


async def test_another_resolver_is_understood(tmp_path):
    dns, control = free_ports(2)
    server = await asyncio.create_subprocess_exec(
        "pebble-challtestsrv", "-management", f"127.0.0.1:{control}", "-dns01", f"127.0.0.1:{dns}", "-defaultIPv4", "203.0.113.9",
        "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    driver, resolvers = AuthoritativeDns(), (Server("127.0.0.1", dns),)
    try:
        await until(lambda: _listens(control))
        async with aiohttp.ClientSession() as session:
            for what, body in (
                ("set-txt", {"host": f"{NAME}.", "value": "token"}),
                ("set-servfail", {"host": "broken.example.com."}),
                ("set-cname", {"host": "www.example.com.", "target": "app.example.net."}),
            ):
                async with session.post(f"http://127.0.0.1:{control}/{what}", json=body) as response:
                    assert response.status == 200
        assert (await driver.look_up(NAME, RecordType.TXT, resolvers)).values == ("token",)
        assert (await driver.look_up("broken.example.com", RecordType.A, resolvers)).fault is Fault.BROKEN
        lookup = await driver.look_up("www.example.com", RecordType.A, resolvers)
        assert (lookup.values, lookup.aliases) == (("203.0.113.9",), ("app.example.net",))
    finally:
        server.kill()
        await server.wait()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
