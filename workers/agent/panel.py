"""The panel's API for agents: HTTPS under `/nodes/agent`, with the node's token."""

import hashlib
import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from typing import IO, Any, Optional
from urllib.parse import quote, urlencode

from workers.agent.errors import Refused, Rejected

POLL_S = 60.0
ANSWER_S = 30.0
SLUG_S = 600.0
CHUNK_BYTES = 1024 * 1024
OK = 200
# The body is too large or invalid: a retry would fail in the same way.
FOR_GOOD = frozenset({413, 422})


class PanelConnection(http.client.HTTPSConnection):
    """HTTPS to the panel's address, with the name in its certificate."""

    def __init__(self, address: str, port: int, name: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(address, port, timeout=timeout, context=context)
        self._name = name
        self._tls = context

    def connect(self) -> None:
        """Connect, and verify the certificate."""
        plain = socket.create_connection((self.host, self.port), self.timeout)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)
        except BaseException:
            plain.close()
            raise


@dataclass(frozen=True)
class Orders:
    """What the panel wants of a node: the digests of its slugs, a mark that identifies that list, and the containers to stop."""

    slugs: tuple[str, ...]
    mark: str
    stops: tuple[str, ...]


class Panel:
    """The panel, configured by address, port, name, ca (PEM) and token."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._address: str = config["address"]
        self._port: int = config["port"]
        self._name: str = config["name"]
        self._token: str = config["token"]
        self._context = ssl.create_default_context(cadata=config["ca"])

    def send_heartbeat(self, report: dict[str, Any]) -> None:
        """Send a heartbeat. Raises Refused."""
        self._send("POST", "/heartbeat", json.dumps(report).encode())

    def orders(self, known: str) -> Orders:
        """Return the panel's orders. A long poll: it waits while there is nothing to stop and the mark of the slugs is `known`."""
        connection, response = self._ask("GET", "/slugs?" + urlencode({"known": known}), timeout=POLL_S)
        try:
            if response.status != OK:
                raise Refused(f"the panel answered {response.status} to what is wanted")
            answer = json.loads(response.read(4 * CHUNK_BYTES))
            return Orders(tuple(map(str, answer["slugs"])), str(answer["mark"]), tuple(map(str, answer["stops"])))
        finally:
            connection.close()

    def stopped(self, container: str) -> None:
        """Confirm that an order to stop a container is carried out. Raises Refused."""
        self._send("DELETE", "/stops/" + quote(container, safe=""))

    def deliver(self, lines: bytes) -> None:
        """Send log lines. Raises Rejected if a retry is useless, else Refused."""
        self._send("POST", "/logs", lines)

    def fetch(self, digest: str, target: IO[bytes]) -> None:
        """Write a slug to a file, and verify its digest. Raises Refused."""
        connection, response = self._ask("GET", "/slugs/" + quote(digest, safe=""), timeout=SLUG_S)
        try:
            if response.status != OK:
                raise Refused(f"the panel answered {response.status} to a slug")
            found = hashlib.sha256()
            while chunk := response.read(CHUNK_BYTES):
                found.update(chunk)
                target.write(chunk)
        finally:
            connection.close()
        if found.hexdigest() != digest:
            raise Refused("what the panel sent is not the slug: its SHA-256 differs")
        target.flush()

    def _send(self, method: str, path: str, body: Optional[bytes] = None) -> None:
        connection, response = self._ask(method, path, body)
        connection.close()
        if response.status != OK:
            raise (Rejected if response.status in FOR_GOOD else Refused)(f"the panel answered {response.status} to {method} {path}")

    def _ask(
        self, method: str, path: str, body: Optional[bytes] = None, timeout: float = ANSWER_S
    ) -> tuple[PanelConnection, http.client.HTTPResponse]:
        connection = PanelConnection(self._address, self._port, self._name, self._context, timeout)
        headers = {"Host": self._name, "Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, "/nodes/agent" + path, body, headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise
