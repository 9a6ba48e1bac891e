"""A node's membership of the Swarm."""

import json
import socket
import sys

from workers.agent.docker import Docker

JOIN_S = 60.0


def join() -> None:
    """Join the Swarm, drained so that it gets no tasks yet, and print the member's id."""
    docker = Docker()
    offer = json.load(sys.stdin)
    host = offer["address"].rpartition(":")[0].strip("[]")
    body = {
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": _own_address(host),
        "RemoteAddrs": [offer["address"]],
        "JoinToken": offer["token"],
        "Availability": "drain",
    }
    docker.ask("POST", "/swarm/join", body, JOIN_S)
    sys.stdout.write("member=" + docker.ask("GET", "/info")["Swarm"]["NodeID"] + "\n")


def _own_address(peer: str) -> str:
    """Return the local address from which this machine reaches a peer. Sends no packet."""
    with socket.socket(socket.AF_INET6 if ":" in peer else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, 9))
        return str(probe.getsockname()[0])


def leave() -> None:
    """Leave the Swarm, if this machine is in one."""
    docker = Docker()
    if docker.ask("GET", "/info")["Swarm"]["LocalNodeState"] != "inactive":
        docker.ask("POST", "/swarm/leave?force=true", timeout=JOIN_S)
