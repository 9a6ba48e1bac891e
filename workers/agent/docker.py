"""Docker's API (https://docs.docker.com/reference/api/engine/version/v1.41/) over its socket."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from workers.agent.errors import Gone, Refused

LOCAL = "unix:///var/run/docker.sock"
API = "/v1.41"
ANSWER_S = 30.0
BAD = 300
# No such object; not running.
GONE = frozenset({404, 409})


class Connection(http.client.HTTPConnection):
    """HTTP to a Docker daemon at unix:///path or tcp://host:port."""

    def __init__(self, url: str, timeout: Optional[float]) -> None:
        scheme, _, place = url.partition("://")
        self._path = place if scheme == "unix" else ""
        super().__init__("localhost" if self._path else place, timeout=timeout)

    def connect(self) -> None:
        """Open the socket."""
        if not self._path:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Docker:
    """A Docker daemon."""

    def __init__(self, url: str = LOCAL) -> None:
        self._url = url

    def ask(self, method: str, path: str, body: Any = None, timeout: float = ANSWER_S) -> Any:  # noqa: ANN401 - any JSON value
        """Send a request and return its JSON. A dict is sent as JSON, any other body as a chunked tar. Raises Refused."""
        connection = Connection(self._url, timeout)
        try:
            if body is None or isinstance(body, dict):
                payload = json.dumps(body) if body is not None else None
                connection.request(method, API + path, payload, {"Content-Type": "application/json"})
            else:
                headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
                connection.request(method, API + path, body, headers, encode_chunked=True)
            answer = _answered(connection).read()
            return [json.loads(line) for line in answer.splitlines()] if path.startswith("/images/load") else json.loads(answer or b"null")
        finally:
            connection.close()

    @contextmanager
    def reading(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """Open a response of unlimited length, without a timeout. Raises Refused."""
        connection = Connection(self._url, None)
        try:
            connection.request("GET", API + path)
            yield _answered(connection)
        finally:
            connection.close()


def _answered(connection: Connection) -> http.client.HTTPResponse:
    response = connection.getresponse()
    if response.status >= BAD:
        raise (Gone if response.status in GONE else Refused)(f"Docker: {_message(response.read())}")
    return response


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]
