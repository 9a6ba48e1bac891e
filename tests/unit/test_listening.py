"""Where an app listens, what the kernel says of it, and when it has settled there."""

import socket

import pytest

from skypanel.host.listening import BUSY, SETTLED_S, Listener, PortSnapshot, Settling, cpu_s, listeners, parse

PORT = 20_000
# What Linux 6.18 answered of 127.0.0.1:8000, and of [::]:8001 with IPV6_V6ONLY.
IPV4 = "020a00001f4000007f000001" + 60 * "00" + "050008000000000008000f00000000000c00150001000000000000000600160052000000"
IPV6 = "0a0a00001f410000" + 64 * "00" + "050008000000000005000b000100000008000f00000000000c00150001000000000000000600160012000000"


def look(*found, cpu=0.0):
    return PortSnapshot(PORT, frozenset(found), cpu)


class TestKernel:
    def test_what_it_says(self):
        assert parse(bytes.fromhex(IPV4)) == Listener("127.0.0.1", 8000)
        assert parse(bytes.fromhex(IPV6)) == Listener("::", 8001, is_ipv6_only=True)

    @pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
    def test_who_listens_is_found_and_who_is_connected_is_not(self, family):
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        with socket.create_server((host, 0), family=family) as server:
            port = server.getsockname()[1]
            with socket.create_connection((host, port)) as client:
                found = listeners(port)
                assert [each for each in found if each.port == port] == [Listener(host, port, is_ipv6_only=family == socket.AF_INET6)]
                assert client.getsockname()[1] not in {each.port for each in found}

    def test_the_port_is_found_among_any_number(self):
        with socket.create_server(("127.0.0.1", 0)) as last:
            others = [socket.create_server(("127.0.0.1", 0)) for _ in range(200)]
            try:
                port = last.getsockname()[1]
                assert Listener("127.0.0.1", port) in listeners(port)
                assert len(listeners(port)) < 200
            finally:
                for other in others:
                    other.close()

    def test_the_time_of_a_process_with_a_strange_name(self):
        fields = " ".join(["S", "1", *map(str, range(5, 14)), "100", "20", "30", "50", "20"])
        assert cpu_s(f"10 (a) b) {fields}") == 2.0


class TestPlace:
    @pytest.mark.parametrize(
        ("listener", "is_reached"),
        [
            (Listener("0.0.0.0", PORT), True),
            (Listener("10.64.0.2", PORT), True),
            (Listener("::", PORT), True),
            (Listener("::ffff:0.0.0.0", PORT), True),
            (Listener("0.0.0.0", 8000), False),
            (Listener("127.0.0.1", PORT), False),
            (Listener("127.0.0.11", PORT), False),
            (Listener("::1", PORT, is_ipv6_only=True), False),
            (Listener("::ffff:127.0.0.1", PORT), False),
            (Listener("::", PORT, is_ipv6_only=True), False),
        ],
    )
    def test_where_the_proxy_reaches(self, listener, is_reached):
        assert listener.is_reached_at(PORT) is is_reached

    @pytest.mark.parametrize(
        ("listener", "shown"),
        [
            (Listener("127.0.0.1", 8000), "127.0.0.1:8000"),
            (Listener("::1", PORT, is_ipv6_only=True), "[::1]:20000"),
            (Listener("::", PORT, is_ipv6_only=True), "[::]:20000 (IPv6 only)"),
        ],
    )
    def test_it_is_named(self, listener, shown):
        assert look(listener).complaint() == f"listens on {shown}, which the proxy cannot reach: its $PORT is 20000"

    def test_its_own_port_is_named_first_and_three_at_most(self):
        many = look(*(Listener("127.0.0.1", port) for port in range(8000, 8100)), Listener("127.0.0.1", PORT))
        assert "listens on 127.0.0.1:20000, 127.0.0.1:8000, 127.0.0.1:8001, which" in many.complaint()


class TestSettling:
    def setup_method(self):
        self.settling = Settling()

    def settled(self, *looks):
        return [self.settling.has_settled(each, now) for each, now in looks]

    def test_an_app_that_stays_elsewhere_and_rests_has_settled(self):
        wrong = look(Listener("127.0.0.1", 8000))
        assert self.settled((wrong, 10.0), (wrong, 10.1), (wrong, 9.9 + SETTLED_S), (wrong, 10.0 + SETTLED_S)) == [
            False,
            False,
            False,
            True,
        ]

    def test_one_that_listens_nowhere_has_not(self):
        assert self.settled((look(), 0.0), (look(), SETTLED_S), (look(), 10 * SETTLED_S)) == [False, False, False]

    def test_one_that_is_reached_has_not_whatever_else_it_listens_on(self):
        right = look(Listener("0.0.0.0", PORT), Listener("127.0.0.1", 9229))
        assert self.settled((right, 0.0), (right, SETTLED_S), (right, 10 * SETTLED_S)) == [False, False, False]

    def test_one_that_listens_elsewhere_anew_begins_again(self):
        first, second = look(Listener("127.0.0.1", 8000)), look(Listener("127.0.0.1", 8001))
        assert self.settled((first, 0.0), (second, SETTLED_S), (second, 2 * SETTLED_S)) == [False, False, True]

    def test_one_that_still_works_boots_beside_what_listens_already(self):
        beside = Listener("127.0.0.1", 6000)
        busy = [(look(beside, cpu=2 * BUSY * now), now) for now in (0.0, SETTLED_S, 2 * SETTLED_S)]
        rests = [(look(beside, cpu=2 * BUSY * 2 * SETTLED_S), now) for now in (2.5 * SETTLED_S, 3 * SETTLED_S)]
        assert self.settled(*busy, *rests) == [False, False, False, False, True]
