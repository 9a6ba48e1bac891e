"""HTTP to a CA, by the acme library: which certificates are trusted, nonces that the CA rejects, and how long it asks to wait."""

import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from acme import messages
from acme.client import ClientNetwork, ClientV2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from requests.adapters import HTTPAdapter

from skypanel.domain.certificate import Authority

REQUEST_S = 20
# A CA may reject any nonce (RFC 8555, 6.5), and some do so in a row.
NONCES = 20
MAX_WAIT = timedelta(days=7)


class Network(ClientNetwork):
    """A connection to one CA, for one thread at a time. `waits` is the Retry-After of the last response."""

    def __init__(self, authority: Authority, key: str = "", account_url: str = "") -> None:
        account = messages.RegistrationResource(uri=account_url, body=messages.Registration()) if account_url else None
        super().__init__(key=signing_key(key) if key else None, account=account, alg=ES256, user_agent="skypanel", timeout=REQUEST_S)
        self.waits: timedelta | None = None
        if authority.trusted:
            self.session.mount("https://", _Trusting(authority.trusted))

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401 - the library's signature
        """Send a signed request, again while the CA rejects nonces."""
        for _ in range(NONCES):
            try:
                return self._post_once(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return self._post_once(*args, **kwargs)

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401 - the same
        response = super()._send_request(method, url, *args, **kwargs)
        self.waits = wait_of(response.headers.get("Retry-After", ""), datetime.now(UTC))
        return response


class _Trusting(HTTPAdapter):
    """Trusts certificates in PEM, beside those that are trusted anyway."""

    def __init__(self, trusted: str) -> None:
        self._context = ssl.create_default_context(cadata=trusted)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


def connect(authority: Authority, key: str = "", account_url: str = "") -> ClientV2:
    """Return a client of a CA. Asks for its directory."""
    network = Network(authority, key, account_url)
    return ClientV2(ClientV2.get_directory(authority.directory, network), network)


def waits(client: ClientV2) -> timedelta | None:
    """Return how long the last response of a client's CA asks to wait."""
    return client.net.waits if isinstance(client.net, Network) else None


def wait_of(header: str, now: datetime) -> timedelta | None:
    """Return the time in a Retry-After header (RFC 9110, 10.2.3), or None."""
    if header.isascii() and header.isdigit():
        return min(timedelta(seconds=int(header[:9])), MAX_WAIT)
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    return min(max(until.replace(tzinfo=until.tzinfo or UTC) - now, timedelta()), MAX_WAIT)


def signing_key(key: str) -> JWKEC:
    """Return the private key of an account, from PEM."""
    loaded = load_pem_private_key(key.encode(), password=None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)  # noqa: S101 - the panel makes no other
    return JWKEC(key=loaded)
