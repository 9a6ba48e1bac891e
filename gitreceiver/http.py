"""Git over HTTP, with an API token as the password: the smart protocol, https://git-scm.com/docs/http-protocol.

A fetch or push consists of two requests or more. Each is authorized separately and is a conversation of its own: git keeps no state
between them. The proxy in front terminates TLS, and gives the client's address in X-Forwarded-For.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from aiohttp import BasicAuth, hdrs, web

from gitreceiver.command import NO_LFS, ONLY_GIT, Command, Service
from gitreceiver.conversations import Conversations
from gitreceiver.exchange import Exchange, is_compressed, refusal
from gitreceiver.session import Git, known_protocol
from skypanel.domain.account import Account
from skypanel.domain.clients import client, network
from skypanel.domain.errors import Conflict, Denied, Hidden, Invalid, NotFound, SkyPanelError, Unavailable, Unpaid
from skypanel.domain.limits import MIB
from skypanel.domain.names import check_app_name, printable
from skypanel.domain.push import Push
from skypanel.domain.transcript import failure
from skypanel.flow.audit import ORIGIN
from skypanel.ports.output import WriteLine
from skypanel.tasks import cancel

ADVERTISE = ("--stateless-rpc", "--http-backend-info-refs")
ANSWER = ("--stateless-rpc",)
MAX_BESIDE_PACK_BYTES = 10 * MIB  # the limit of git's own server for a fetch request
CLEANUP_S = 1.0
RETRY_S = 60
CHECK_AGAIN_S = 1.0
REVOKED = "The API token was revoked or expired during this push."
STATUS: dict[type[SkyPanelError], int] = {
    NotFound: 404,
    Hidden: 404,
    Conflict: 409,
    Denied: 403,
    Invalid: 400,
    Unavailable: 503,
    Unpaid: 402,
}
SIGN_IN = 'Basic realm="SkyPanel", charset="UTF-8"'
HOW = (
    "Use an API token as the password, with any user name. `heroku authorizations:create` makes one, "
    "or an administrator: `skypanel tokens add --for` with your address."
)

Authenticate = Callable[[str, Service], Awaitable[Account | None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HttpLimits:
    """How many requests are served at once: in all, per client address, per account."""

    requests: int = 400
    requests_per_address: int = 120
    requests_per_account: int = 120


class Refused(Exception):
    """A request that is refused; `response` says why."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.response = refusal(status, failure(message), headers)


class HttpListener:
    """Listens for the proxy, answers for its hostnames, and tracks all conversations.

    `authenticate` finds the account of an API token; it raises Denied if the token's scope does not allow the service. `trusted` are the
    networks of proxies in front of the panel's own.
    """

    def __init__(
        self,
        git: Git,
        authenticate: Authenticate,
        hosts: Collection[str],
        limits: HttpLimits | None = None,
        trusted: tuple[str, ...] = (),
    ) -> None:
        self._git = git
        self._hosts = frozenset(hosts)
        self.authenticate = authenticate
        self.limits = limits or HttpLimits()
        self._trusted = trusted
        self.served: Counter[Hashable] = Counter()
        self._conversations = Conversations()
        self._runner = web.AppRunner(
            self._app(),
            access_log=None,
            # For a while, aiohttp still reads the body of a refused request, so that the refusal arrives. It must not decompress it.
            auto_decompress=False,
            # So that a handler notices when its client disconnects.
            handler_cancellation=True,
            shutdown_timeout=CLEANUP_S,
        )
        self._closing = False

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._attend])
        app.router.add_get("/{name}.git/info/refs", self._advertise, allow_head=False)
        app.router.add_route("*", "/{name}.git/info/lfs/{what:.+}", _no_lfs)
        for service in Service:
            app.router.add_post(f"/{{name}}.git/git-{service}", partial(self._exchange, service), name=service)
        return app

    async def listen(self, host: str, port: int) -> int:
        """Start to listen, and return the port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return int(self._runner.addresses[0][1])

    async def close(self, grace_s: float) -> None:
        """Stop accepting requests, and cancel conversations that have not ended after `grace_s` seconds."""
        self._closing = True
        for site in list(self._runner.sites):
            await site.stop()
        await self._conversations.close(grace_s)
        await self._runner.cleanup()

    @web.middleware
    async def _attend(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Run a request as a conversation: a fetch ends with its client, a push continues without it."""
        conversation = self._conversations.begin(_answered(handler, request))
        return await (asyncio.shield(conversation) if request.match_info.route.name == Service.RECEIVE else conversation)

    async def _advertise(self, request: web.Request) -> web.StreamResponse:
        """Send the refs of a repository and git's capabilities."""
        service = _service(request)
        exchange = Exchange(request, f"application/x-git-{service}-advertisement", self._git.idle_s, 0)
        if service is Service.RECEIVE or "version=2" not in _protocol(request).split(":"):
            exchange.opening = _packet(f"# service=git-{service}\n") + b"0000"
        return await self._serve(request, service, ADVERTISE, exchange)

    async def _exchange(self, service: Service, request: web.Request) -> web.StreamResponse:
        """Handle a fetch request, or the ref updates and the pack of a push."""
        _check_body(request, service)
        # Git never compresses a push, because packs are already compressed.
        is_pack = service is Service.RECEIVE and not is_compressed(request)
        most = MAX_BESIDE_PACK_BYTES + (self._git.limits.pack_bytes if is_pack else 0)
        exchange = Exchange(request, f"application/x-git-{service}-result", self._git.idle_s, most)
        return await self._serve(request, service, ANSWER, exchange)

    async def _serve(self, request: web.Request, service: Service, options: tuple[str, ...], exchange: Exchange) -> web.StreamResponse:
        command = Command(service, check_app_name(request.match_info["name"]), options)
        self._check_host(request)
        if self._closing:
            raise Unavailable("SkyPanel is being restarted. Try again in a moment.")
        peer = client(request.headers, request.remote, self._trusted)
        ORIGIN.set(f"git {peer}")
        address, limits = network(peer), self.limits
        with ExitStack() as counted:
            counted.enter_context(self._counted("all", limits.requests))
            counted.enter_context(self._counted(address, limits.requests_per_address))
            token = _token(request)
            account = await self._account(token, service)
            counted.enter_context(self._counted(account.id, limits.requests_per_account))
            if options == ANSWER:
                log.info("%s: %s %s", account.email, service, command.name)
            git = replace(self._git, receive=partial(self._receive, token))
            status = await git.converse(account, command, _protocol(request), exchange)
            return await exchange.finish(status)

    async def _account(self, token: str, service: Service) -> Account:
        account = await self.authenticate(token, service)
        if account is None:
            raise Refused(401, f"This API token is unknown, revoked or expired. {HOW}", **{hdrs.WWW_AUTHENTICATE: SIGN_IN})
        return account

    async def _receive(self, token: str, push: Push, write: WriteLine) -> None:
        """Process a push while its token is valid: an upload and a build may each take minutes."""
        if not await self._is_good(token, push):
            raise _revoked(is_live=False)
        receiving = asyncio.ensure_future(self._git.receive(push, write))
        watching = asyncio.create_task(self._until_revoked(token, push))
        try:
            await asyncio.wait({receiving, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel([receiving, watching])
        if receiving.cancelled():
            raise _revoked(is_live=not await self._git.abandon(push, REVOKED))
        receiving.result()
        if not await self._is_good(token, push):
            raise _revoked(is_live=True)

    async def _until_revoked(self, token: str, push: Push) -> None:
        is_good = True
        while is_good:
            await asyncio.sleep(CHECK_AGAIN_S)
            with suppress(Unavailable):
                is_good = await self._is_good(token, push)

    async def _is_good(self, token: str, push: Push) -> bool:
        return await self.authenticate(token, Service.RECEIVE) == push.account

    def _check_host(self, request: web.Request) -> None:
        if request.host.partition(":")[0].lower() not in self._hosts:
            raise Refused(421, f"There are no git repositories at {printable(request.host)}.")

    @contextmanager
    def _counted(self, who: Hashable, most: int) -> Iterator[None]:
        """Count a request under `who` while the block runs. Raises Refused above the limit."""
        if self.served[who] >= most:
            log.warning("too many requests: %d in all, %d of %s", self.served["all"], self.served[who], who)
            raise Refused(429, "Too many requests. Try again in a minute.", **{hdrs.RETRY_AFTER: str(RETRY_S)})
        self.served[who] += 1
        try:
            yield
        finally:
            self.served[who] -= 1
            if not self.served[who]:
                del self.served[who]


def _revoked(*, is_live: bool) -> Denied:
    consequence = "The release stays, but its branches are not stored." if is_live else "Nothing was deployed."
    return Denied(f"{REVOKED} {consequence}", "Push again with another token.")


async def _answered(handler: Handler, request: web.Request) -> web.StreamResponse:
    """Turn errors into responses."""
    try:
        return await handler(request)
    except Refused as error:
        return error.response
    except SkyPanelError as error:
        return refusal(STATUS[type(error)], failure(str(error)))
    except web.HTTPException as error:  # from aiohttp: no such path, or not by this method
        allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return refusal(error.status, failure(f"{error.reason}. {ONLY_GIT}"), allowed)


async def _no_lfs(_request: web.Request) -> web.StreamResponse:
    """Refuse Git LFS in its own format (docs/api/batch.md of git-lfs/git-lfs), without authentication."""
    return web.json_response({"message": str(NO_LFS)}, status=501, content_type="application/vnd.git-lfs+json")


def _service(request: web.Request) -> Service:
    """Return the service whose refs are requested. Raises Refused, also for clients that only know the dumb protocol."""
    try:
        return Service(request.query.get("service", "").removeprefix("git-"))
    except ValueError:
        raise Refused(403, f"This is not a git service. {ONLY_GIT}") from None


def _check_body(request: web.Request, service: Service) -> None:
    expected = f"application/x-git-{service}-request"
    if request.content_type != expected:
        raise Refused(415, f"The Content-Type must be {expected}. {ONLY_GIT}")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() not in {"identity", "gzip"}:
        raise Refused(415, "The only supported Content-Encoding is gzip.", **{hdrs.ACCEPT_ENCODING: "gzip"})


def _protocol(request: web.Request) -> str:
    return known_protocol(request.headers.get("Git-Protocol")) or ""


def _token(request: web.Request) -> str:
    """Return the password. Raises Refused without one, which makes git ask the user for it."""
    try:
        token: str = BasicAuth.decode(request.headers.get(hdrs.AUTHORIZATION, "")).password
    except ValueError:
        raise Refused(401, HOW, **{hdrs.WWW_AUTHENTICATE: SIGN_IN}) from None
    return token


def _packet(line: str) -> bytes:
    """Return a line in git's pkt-line format (https://git-scm.com/docs/protocol-common)."""
    return f"{len(line) + 4:04x}{line}".encode()
