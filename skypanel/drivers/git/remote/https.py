"""Git over HTTPS (https://git-scm.com/docs/http-protocol). It connects only to checked addresses and follows no redirect."""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

from dulwich.client import AbstractHttpGitClient

from skypanel.domain.errors import Denied, Invalid, NotFound, SkyPanelError, Unavailable
from skypanel.domain.internet import IpAddress
from skypanel.domain.remote import GitUrl, parse_url
from skypanel.drivers.dialing import dial
from skypanel.drivers.git.remote.allowance import Allowance

IDLE_S = 30.0
OK = 200
MOVED = frozenset({301, 302, 303, 307, 308})
LOGIN_WANTED = frozenset({401, 403, 407})
GONE = frozenset({404, 410})
CONTENT_TYPE = "application/x-git-upload-pack-"
LISTING = "/info/refs"


class Answer:
    """An HTTP response with the interface that dulwich expects."""

    redirect_location = ""

    def __init__(self, url: str, response: HTTPResponse, allowance: Allowance) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = dict(response.headers)
        self.content_type = response.getheader("Content-Type")
        self.location = response.getheader("Location", "")
        self._url = url
        self._response = response
        self._allowance = allowance

    def read(self, amt: int | None = None) -> bytes:
        """Return `amt` bytes, or fewer at the end. Raises Invalid if the limit is exceeded."""
        return self._allowance.take(self._response.read(amt))

    def close(self) -> None:
        """Close the response."""
        self._response.close()

    def geturl(self) -> str:
        """Return the URL of the request."""
        return self._url


class HttpsClient(AbstractHttpGitClient):
    """Reads one repository. Raises the domain's errors, and dulwich's if the server violates the protocol."""

    def __init__(self, url: GitUrl, addresses: Sequence[IpAddress], allowance: Allowance, authorities: str | None) -> None:
        super().__init__(str(url), thin_packs=False, quiet=True)
        self._url = url
        self._addresses = addresses
        self._allowance = allowance
        self._tls = ssl.create_default_context(cafile=authorities)
        self._opened = ExitStack()

    def close(self) -> None:
        """Close all connections. Only the reading thread may call this."""
        self._opened.close()

    def _http_request(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        data: bytes | Iterator[bytes] | None = None,
        raise_for_status: bool = True,  # noqa: ARG002, FBT001, FBT002 - dulwich's signature
    ) -> tuple[Answer, Callable[[int], bytes]]:
        split = urlsplit(url)
        target = f"{split.path}?{split.query}" if split.query else split.path
        connection = HTTPConnection(self._url.host, self._url.port)
        connection.sock = self._connect()
        sent = {**(headers or {}), "Host": split.netloc, "User-Agent": "git/skypanel", "Accept-Encoding": "identity", "Connection": "close"}
        connection.request("POST" if data is not None else "GET", target, data, sent)
        response = connection.getresponse()
        self._opened.callback(response.close)
        answer = Answer(url, response, self._allowance)
        self._check(answer)
        return answer, answer.read

    def _connect(self) -> ssl.SSLSocket:
        plain = dial(self._url.host, self._url.port, self._addresses)
        self._opened.callback(plain.close)
        plain.settimeout(IDLE_S)
        secured = self._tls.wrap_socket(plain, server_hostname=self._url.host, do_handshake_on_connect=False)
        self._opened.callback(secured.close)
        self._allowance.hold(lambda: _shut(secured))
        try:
            secured.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise Unavailable(
                f"This machine does not trust the certificate of {self._url.host}: {error.verify_message}.",
                "Add its CA certificate to those of the machine (update-ca-certificates), or to the file in SSL_CERT_FILE.",
            ) from error
        return secured

    def _check(self, answer: Answer) -> None:
        if answer.status in MOVED:
            raise self._moved(answer.location)
        if answer.status in LOGIN_WANTED:
            raise Denied(f"{self._url} requires authentication, or does not exist.")
        if answer.status in GONE:
            raise NotFound(f"There is no git repository at {self._url}.", "Check the URL.")
        if answer.status != OK:
            raise Unavailable(f"{self._url.host} answers {answer.status} for {self._url}.", "Try again later.")
        if not (answer.content_type or "").startswith(CONTENT_TYPE):
            raise NotFound(
                f"{self._url} is a web page or something else that is not a git repository.",
                "Use the URL that you would give to `git clone`.",
            )

    def _moved(self, location: str) -> SkyPanelError:
        where = "elsewhere"
        with suppress(Invalid):
            where = str(parse_url(location.partition(LISTING)[0]))
        return Invalid(f"{self._url} redirects to {where}, and redirects are not followed.", "Use that URL instead.")


def _shut(secured: ssl.SSLSocket) -> None:
    with suppress(OSError):
        # The plain socket's shutdown: the TLS one would drop state that the reading thread still uses.
        socket.socket.shutdown(secured, socket.SHUT_RDWR)
