"""A relay on the loopback interface: clients that only accept `localhost` reach any panel through it.

It has no token of its own. What a client sends goes to the one panel and nowhere else.
"""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from aiohttp.abc import AbstractResolver, ResolveResult

from skypanel.domain.errors import Unavailable
from skypanel.embedded.certificates import issue, make_authority

HOST = "localhost"
LOOPBACK = "127.0.0.1"
CONNECT_S = 20.0
# Hop-by-hop headers (RFC 9110, 7.6.1) and others that describe one connection are not forwarded.
OWN_HEADERS = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "accept-encoding", "content-length", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded",
})  # fmt: skip
# URLs of the panel that clients open themselves and people do not keep.
OPENED = ("/streams/", "/sources/")


@dataclass(frozen=True)
class Target:
    """A panel: its origin, such as https://paas.example.com, its CA certificates (PEM), and whether it is on this machine."""

    origin: str
    authority: str | None = None
    is_here: bool = False

    @property
    def host(self) -> str:
        """The hostname, with the port if it is not the scheme's default."""
        return urlsplit(self.origin).netloc


@asynccontextmanager
async def relay(target: Target, folder: Path, port: int) -> AsyncIterator[int]:
    """Relay to a panel while the block runs, and yield the port: `port`, or a free one if that is taken.

    `folder` is private; it gets `ca.pem`, the certificate to verify the relay with. Responses are streamed.
    """
    listening = _listen(port)
    taken = listening[0].getsockname()[1]
    base = f"https://{HOST}:{taken}"
    connector = TCPConnector(ssl=_trust(target), resolver=_Here() if target.is_here else None, limit=0)
    timeout = ClientTimeout(total=None, sock_connect=CONNECT_S)
    async with ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False, trust_env=not target.is_here, skip_auto_headers=("User-Agent",)
    ) as session:

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return await _answer(request, session, target.origin, base)

        runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0)
        await runner.setup()
        try:
            context = _identity(folder)
            for each in listening:
                await web.SockSite(runner, each, ssl_context=context).start()
            yield taken
        finally:
            await runner.cleanup()


async def _answer(request: web.BaseRequest, session: ClientSession, origin: str, base: str) -> web.StreamResponse:
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in OWN_HEADERS]
    has_body = request.body_exists
    if has_body and request.content_length is not None:
        headers.append(("Content-Length", str(request.content_length)))
    try:
        upstream = session.request(
            request.method,
            f"{origin}{request.raw_path}",
            headers=[*headers, ("Accept-Encoding", "identity")],
            data=request.content if has_body else None,
            allow_redirects=False,
        )
        async with upstream as answered:
            response_headers = [(name, value) for name, value in answered.headers.items() if name.lower() not in OWN_HEADERS]
            if answered.content_type == "application/json":
                return web.Response(body=_localized(await answered.read(), origin, base), status=answered.status, headers=response_headers)
            response = web.StreamResponse(status=answered.status, reason=answered.reason, headers=response_headers)
            await response.prepare(request)
            async for chunk in answered.content.iter_any():
                await response.write(chunk)
            return response
    except (ClientError, TimeoutError, ssl.SSLError) as error:
        if request.transport is None or request.transport.is_closing():
            raise
        message = f"The panel at {origin} cannot be reached: {error or type(error).__name__}."
        return web.json_response({"id": "bad_gateway", "message": message}, status=502)


def _localized(body: bytes, origin: str, base: str) -> bytes:
    """Return JSON in which URLs that clients open themselves lead to the relay."""
    for path in OPENED:
        body = body.replace(f'"{origin}{path}'.encode(), f'"{base}{path}'.encode())
    return body


def _listen(port: int) -> list[socket.socket]:
    """Listen on both loopback addresses, because a name may resolve to either."""
    try:
        first = socket.create_server((LOOPBACK, port))
    except OSError:
        first = socket.create_server((LOOPBACK, 0))
    try:
        return [first, socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6)]
    except OSError:
        return [first]


def _identity(folder: Path) -> ssl.SSLContext:
    """Make a certificate authority, whose key is discarded at once, and a certificate from it."""
    now = datetime.now(UTC)
    authority = make_authority(HOST, now)
    pair = issue(authority, (HOST,), now)
    (folder / "ca.pem").write_bytes(authority.certificate)
    chain = folder / "relay.pem"
    chain.touch(mode=0o600)
    chain.write_bytes(pair.certificate + pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    chain.unlink()
    return context


def _trust(target: Target) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if target.authority is not None:
        try:
            context.load_verify_locations(cadata=target.authority)
        except ssl.SSLError as error:
            raise Unavailable("The panel's certificate authority cannot be read.", "Give a file of PEM certificates.") from error
    return context


class _Here(AbstractResolver):
    """Resolves every name to this machine, even if DNS does not know it yet."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:  # noqa: ARG002 - aiohttp's signature
        return [ResolveResult(hostname=host, host=LOOPBACK, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST)]

    async def close(self) -> None:
        """Do nothing: no resource is open."""
