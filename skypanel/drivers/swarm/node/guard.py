"""Enforces the network and disk limits of its node's dynos: `guard.py` of a panel's guard service.

Runs in a container of the stack's image, with its Python's standard library, the node's network and Docker's socket.
The rules are in the kernel and outlive this program.

    RULES   the nft script with the table TABLE, and in it an empty set of resolvers
    PANEL   the panel whose dynos are measured
"""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

SOCKET = "/var/run/docker.sock"
API = "/v1.41"
READY = Path("/dev/shm/ready")  # noqa: S108 - the container's own
# Docker repeats the check at once, so all checks but the first one wait.
TOLD = READY.with_name("told")
INTERVAL_S = 5.0
CHECK_S = 3600.0
ANSWER_S = 60.0
BAD = 300
DISK = "skypanel.disk"
# The exit status of a dyno whose disk is full (`FULL` in `tasks.py`). `health.sh` ends unhealthy dynos in the same way.
STOP = """
echo "[skypanel] Wrote more than $1 MiB to disk" 2>/dev/null >/proc/1/fd/1
echo 250 >/dev/shm/skypanel.ended
kill -XFSZ "$(</dev/shm/skypanel.pid)"
"""
MIB = 1024**2


class DockerConnection(http.client.HTTPConnection):
    """HTTP over Docker's Unix socket."""

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def docker(method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - any JSON value
    """Call Docker's API and return its JSON, or None. Raises OSError, ValueError or http.client.HTTPException."""
    connection = DockerConnection("localhost", timeout=ANSWER_S)
    try:
        connection.request(method, API + path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        received = response.read()
        if response.status >= BAD:
            raise ValueError(received.decode(errors="replace").strip())
        return json.loads(received) if received.startswith((b"{", b"[")) else None
    finally:
        connection.close()


def resolvers(resolv_conf: str) -> list[str]:
    """Return the upstream resolvers of Docker's DNS server in a dyno's network: all but loopback addresses."""
    found = re.findall(r"^nameserver\s+([0-9.]+)\s*$", resolv_conf, re.MULTILINE)
    return [address for address in found if not address.startswith("127.")]


def enforce(rules: str, table: str) -> None:
    """Apply the rules, in place of earlier ones. Raises CalledProcessError."""
    found = resolvers(Path("/etc/resolv.conf").read_text())
    added = f"add element inet {table} resolvers {{ {', '.join(found)} }}\n" if found else ""
    subprocess.run(["nft", "-f", "-"], input=rules + added, text=True, check=True)


def in_force(table: str) -> bool:
    """Whether the rules are in the kernel."""
    look = ["nft", "list", "chain", "inet", table, "forward"]
    return subprocess.run(look, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def over(containers: list[dict[str, Any]]) -> dict[str, int]:
    """Return the containers over their disk limit, with the limit in bytes."""
    bounds = {each["Id"]: int(each["Labels"][DISK]) for each in containers}
    return {each["Id"]: bounds[each["Id"]] for each in containers if each.get("SizeRw", 0) > bounds[each["Id"]]}


def measure(panel: str, notified: frozenset[str]) -> frozenset[str]:
    """End the dynos over their disk limit, and return their container ids.

    A dyno first gets a message and a signal; if it is still there in the next round (in `notified`), it is killed.
    """
    filters = json.dumps({"label": [f"skypanel.panel={panel}", DISK]})
    found = over(docker("GET", "/containers/json?" + urlencode({"size": "1", "filters": filters})))
    for container, disk_bytes in found.items():
        if container in notified:
            docker("POST", f"/containers/{container}/kill")
        else:
            argv = ["bash", "-c", STOP, "stop", str(disk_bytes // MIB)]
            made = docker("POST", f"/containers/{container}/exec", {"Cmd": argv})
            docker("POST", f"/exec/{made['Id']}/start", {"Detach": True})
    return frozenset(found)


def main() -> None:
    """Apply the rules and measure the dynos, forever."""
    rules, table, panel = os.environ["RULES"], os.environ["TABLE"], os.environ["PANEL"]
    enforce(rules, table)
    READY.touch()
    notified: frozenset[str] = frozenset()
    while True:
        time.sleep(INTERVAL_S)
        if not in_force(table):
            enforce(rules, table)
        try:
            notified = measure(panel, notified)
        except (OSError, ValueError, http.client.HTTPException) as error:
            sys.stderr.write(f"dynos cannot be measured: {error}\n")


def check() -> None:
    """Docker's health check: return once the rules are applied."""
    while not READY.exists():
        time.sleep(0.05)
    if TOLD.exists():
        time.sleep(CHECK_S)
    TOLD.touch()


if __name__ == "__main__":
    check() if sys.argv[1:] == ["check"] else main()
