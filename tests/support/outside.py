"""An outside host: a network namespace behind a veth pair, which receives what this machine sends to its addresses."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

STRANGER = """
import socketserver

class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1000)
        self.request.sendall(b"stranger")

with socketserver.TCPServer(("0.0.0.0", 80), Handler) as server:
    print("serves", flush=True)
    server.serve_forever()
"""
ALL_PORTS = "table ip all_ports { chain c { type nat hook prerouting priority dstnat; meta l4proto tcp redirect to :80; }; }"
COUNTER = "table ip datagrams { chain c { type filter hook prerouting priority 0; meta l4proto udp counter; }; }"
# Documentation addresses (RFC 5737), which count as public. Each test process uses four of them.
ADDRESSES = IPv4Address("198.51.100.0")
CABLES = 63


@dataclass(frozen=True)
class Outside:
    """The namespace's name, and its address from this machine."""

    name: str
    address: str

    def call(self, *argv: str) -> str:
        """Run a command in the namespace, and return its output."""
        return subprocess.run(["ip", "netns", "exec", self.name, *argv], check=True, stdout=subprocess.PIPE, text=True).stdout

    def datagrams(self) -> int:
        """Return how many UDP datagrams have arrived."""
        found = json.loads(self.call("nft", "-j", "list", "table", "ip", "datagrams"))["nftables"]
        (rule,) = [each["rule"] for each in found if "rule" in each]
        return next(part["counter"]["packets"] for part in rule["expr"] if "counter" in part)


@contextmanager
def outside() -> Iterator[Outside]:
    """Provide such a host while the block runs. It counts datagrams; no port is open."""
    number = os.getpid() % CABLES
    name, near, far = f"skout{number}", ADDRESSES + 4 * number + 1, ADDRESSES + 4 * number + 2
    made = Outside(name, str(far))
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "address", "add", f"{near}/30", "dev", name)
        run("ip", "link", "set", name, "up")
        for line in ("link set lo up", f"address add {far}/30 dev eth0", "link set eth0 up", f"route add default via {near}"):
            run("ip", "-n", name, *line.split())
        made.call("nft", COUNTER)
        yield made
    finally:
        subprocess.run(["ip", "link", "delete", name], check=False, stderr=subprocess.DEVNULL)
        run("ip", "netns", "delete", name)


@contextmanager
def strangers_beyond(subnet: str) -> Iterator[None]:
    """Provide an outside host that answers on every port and address of a subnet, which is routed there as if by the default route."""
    with outside() as host:
        host.call("ip", "route", "add", "local", subnet, "dev", "lo")
        host.call("nft", ALL_PORTS)
        run("ip", "route", "add", str(IPv4Network(subnet).supernet()), "via", host.address)
        with subprocess.Popen(["ip", "netns", "exec", host.name, "python3", "-c", STRANGER], stdout=subprocess.PIPE) as stranger:
            try:
                assert stranger.stdout is not None
                assert stranger.stdout.readline() == b"serves\n"
                yield
            finally:
                stranger.kill()


def run(*argv: str) -> None:
    """Run a command on this machine. Raises CalledProcessError."""
    subprocess.run(argv, check=True)
