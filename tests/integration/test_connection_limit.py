"""How many connections may be open at the public ports, of one address and in all, by real packets from a network of visitors."""

import json
import os
import signal
import socket
import socketserver
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest

from skypanel.embedded.open_files import connections
from tests.fixtures.launcher import running_launcher
from tests.support.outside import run
from tests.support.until import until

MOST = 20
# What a proxy with so many files can hold, and how many of these those with more than a few get.
ALL = connections(112)
CROWDED = 37
# The first two of IPv6 are one customer's; the last of each kind is a trusted proxy's.
ADDRESSES = ("10.{}.7.2", "10.{}.7.3", "10.{}.7.4", "fd00:{}:0:1::2", "fd00:{}:0:1::3", "fd00:{}:0:2::2", "fd00:{}:0:3::2")
VISITOR = """
import json, socket, sys

here, there, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
held, refused = [], 0
for _ in range(count):
    try:
        held.append(socket.create_connection((there, port), timeout=5, source_address=(here, 0)))
        held[-1].recv(1)
    except ConnectionRefusedError:
        refused += 1
print(json.dumps([len(held), refused]), flush=True)
sys.stdin.read()
"""

# Begins connections and hears no answer.
DEAF = "add table ip deaf; add chain ip deaf input { type filter hook input priority 0; }; add rule ip deaf input tcp flags syn,ack drop"
BEGINNER = """
import socket, sys

here, there, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for _ in range(count):
    with socket.socket() as begun:
        begun.setblocking(False)
        begun.bind((here, 0))
        begun.connect_ex((there, port))
"""


@contextmanager
def visitors():
    """Have a network beyond a cable whose hosts have all of ADDRESSES, and yield what tells of it."""
    # Below what launchers of tests take of 10.0.0.0/8.
    number = os.getpid() % 62 + 1
    name = f"skvis{number}"
    own = [address.format(number) for address in ADDRESSES]
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        for device, address in ((name, f"10.{number}.7.1/24"), (name, f"fd00:{number}::1/32")):
            run("ip", "address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
        run("ip", "link", "set", name, "up")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        for address in own:
            size, nodad = ("/32", ["nodad"]) if ":" in address else ("/24", [])
            run("ip", "-n", name, "address", "add", f"{address}{size}", "dev", "eth0", *nodad)
        yield SimpleNamespace(name=name, addresses=own, gateway={4: f"10.{number}.7.1", 6: f"fd00:{number}::1"})
    finally:
        subprocess.run(["ip", "link", "delete", name], check=False, stderr=subprocess.DEVNULL)
        run("ip", "netns", "delete", name)


@pytest.fixture
def network():
    with visitors() as made:
        yield made


@contextmanager
def holding(network, here, port, count):
    """Hold up to `count` connections from an address; yield how many there are and how many were refused."""
    there = network.gateway[6 if ":" in here else 4]
    argv = ["ip", "netns", "exec", network.name, "python3", "-c", VISITOR, here, there, str(port), str(count)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as visitor:
        yield tuple(json.loads(visitor.stdout.readline()))
        visitor.stdin.close()


def tried(network, here, port, count=1):
    with holding(network, here, port, count) as came:
        return came


class Greeter(socketserver.ThreadingTCPServer):
    """Listens on all addresses, and greets each connection by a byte; then it waits for the visitor's end."""

    address_family = socket.AF_INET6
    request_queue_size = 128
    daemon_threads = True

    class Greeting(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b".")
            self.request.recv(1)

    def __init__(self):
        super().__init__(("::", 0), self.Greeting)

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


@pytest.fixture
def port():
    with Greeter() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


async def test_an_address_holds_so_many_connections_open_and_no_more(network, port):
    first, second, proxy, near, neighbour, far, proxy6 = network.addresses
    trusted = ("--trusted-proxies", proxy, proxy6)
    with running_launcher(root=True, options=("--public-ports", str(port), "--connections-per-address", str(MOST), *trusted)) as launcher:
        with holding(network, first, port, MOST) as came, holding(network, near, port, MOST) as came6:
            assert (came, came6) == ((MOST, 0), (MOST, 0))
            assert tried(network, first, port, 3) == (0, 3)
            assert tried(network, neighbour, port, 3) == (0, 3)
            for other in (second, far):
                assert tried(network, other, port, MOST + 2) == (MOST, 2)
            for other in (proxy, proxy6):
                assert tried(network, other, port, 2 * MOST) == (2 * MOST, 0)
            with ExitStack() as stack:
                for _ in range(2 * MOST):
                    assert stack.enter_context(socket.create_connection(("127.0.0.1", port))).recv(1) == b"."
            # The rules outlive the launcher.
            launcher.stop(signal.SIGKILL)
            assert tried(network, first, port, 3) == (0, 3)
        for here in (first, neighbour):
            await until(lambda here=here: tried(network, here, port, MOST) == (MOST, 0))


@contextmanager
def door_of_all(port, *options):
    bounds = ("--public-ports", str(port), "--connections", str(ALL))
    with running_launcher(root=True, options=(*bounds, *options)):
        yield


def from_here(port, source):
    made = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
    assert made.recv(1) == b"."
    return made


async def test_a_flood_from_many_addresses_leaves_room_for_those_with_few_connections(network, port):
    first, second, third, near, *_ = network.addresses
    with door_of_all(port), holding(network, first, port, ALL) as came:
        assert came == (CROWDED, ALL - CROWDED)
        with holding(network, second, port, ALL) as came2, holding(network, near, port, ALL) as came6:
            # The closer to all, the fewer for one address.
            assert (came2, came6) == ((6, ALL - 6), (3, ALL - 3))
            with ExitStack() as stack:
                for number in range(ALL - CROWDED - 6 - 3):
                    stack.enter_context(from_here(port, f"127.0.1.{number + 1}"))
                # All that there may be are there, of whomever they are.
                assert tried(network, third, port, 3) == (0, 3)
            await until(lambda: tried(network, third, port) == (1, 0))


async def test_trusted_proxies_count_in_all_and_may_take_all(network, port):
    first, _, proxy, near, *_, proxy6 = network.addresses
    with door_of_all(port, "--trusted-proxies", proxy, proxy6):
        for own in (proxy, proxy6):
            with holding(network, own, port, ALL + 3) as came:
                assert came == (ALL, 3)
                for other in (first, near):
                    assert tried(network, other, port) == (0, 1)
            await until(lambda: tried(network, first, port, 3) == (3, 0))


@pytest.mark.parametrize("source", ["127.0.0.1", "::1"])
async def test_what_begins_on_this_machine_counts_in_all(network, port, source):
    first, second, *_ = network.addresses
    with door_of_all(port, "--connections-per-address", "1"):
        with ExitStack() as stack:
            for _ in range(CROWDED):
                stack.enter_context(socket.create_connection((source, port))).recv(1)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((source, port))
            assert tried(network, first, port) == (1, 0)
            for number in range(ALL - CROWDED):
                stack.enter_context(from_here(port, f"127.0.1.{number + 1}"))
            assert tried(network, first, port) == (0, 1)
        await until(lambda: tried(network, second, port) == (1, 0))


async def test_half_open_connections_count_for_a_moment_only(network, port):
    """Their addresses may be forged, so that they cost whoever sends them nothing."""
    *_, last = (address for address in network.addresses if ":" not in address)
    in_network = ("ip", "netns", "exec", network.name)
    run(*in_network, "nft", DEAF)
    with door_of_all(port):
        for here in network.addresses[:3]:
            run(*in_network, "python3", "-c", BEGINNER, here, network.gateway[4], str(port), str(ALL))
        run(*in_network, "nft", "flush ruleset")
        assert tried(network, last, port) == (0, 1)
        await until(lambda: tried(network, last, port) == (1, 0))


async def test_other_ports_are_not_counted(network, port):
    with running_launcher(root=True, options=("--public-ports", "1", "--connections-per-address", "1")):
        assert tried(network, network.addresses[0], port, 5) == (5, 0)
