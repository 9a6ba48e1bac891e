"""Webhooks over HTTPS, with a real server."""

import asyncio
import socket
import threading
from contextlib import closing
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from skypanel.domain.errors import Denied, Unavailable
from skypanel.domain.webhook import Posting
from skypanel.drivers.webhooks import receivers as driver
from skypanel.drivers.webhooks.receivers import HttpReceivers
from tests.contracts.receivers import ReceiversContract
from tests.fixtures.mail_server import trusted

__all__ = ["trusted"]

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Receiver:
    """Keeps the bodies of requests, and answers by their path."""

    def __init__(self):
        self.bodies, self.headers, self.paths = [], [], []
        self.released = asyncio.Event()

    async def handle(self, request):
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        self.paths.append(request.path_qs)
        answer = {"moved": self.move, "hang": self.hang, "slow": self.dawdle, "huge": self.flood, "headers": self.boast}
        return await answer.get(request.path.strip("/"), self.thank)(request)

    async def thank(self, request):
        return web.Response(text="thank you")

    async def move(self, request):
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async def hang(self, request):
        await self.released.wait()
        return web.Response()

    async def dawdle(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        await self.released.wait()
        return response

    async def flood(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while not self.released.is_set():
                await response.write(b"x" * 65536)
        except ConnectionError:
            self.released.set()
        return response

    async def boast(self, request):
        return web.Response(headers={"X-Large": "x" * 100_000})


@pytest.fixture
async def receiver():
    return Receiver()


@pytest.fixture
async def url(receiver, trusted):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    server = TestServer(app, scheme="https", host="127.0.0.1")
    await server.start_server(ssl=trusted)
    yield str(server.make_url("/"))
    receiver.released.set()
    await server.close()


@pytest.fixture
def receivers(url):
    return HttpReceivers()


class TestHttpReceivers(ReceiversContract):
    @pytest.fixture
    def networks(self):
        return LOOPBACK

    @pytest.fixture
    def posted(self, receiver):
        return lambda: receiver.bodies

    @pytest.fixture
    def gone(self):
        with closing(socket.socket()) as closed:
            closed.bind(("127.0.0.1", 0))
            yield f"https://127.0.0.1:{closed.getsockname()[1]}/"


async def post(receivers, url, path=""):
    return await receivers.post(Posting(f"{url}{path}", {"X-Test": "yes"}, b"a body", LOOPBACK))


async def test_a_path_and_a_query_arrive_as_they_were_written(receivers, receiver, url):
    await post(receivers, url, "ok?a=%2F&b=%C3%A4")
    assert receiver.paths == ["/ok?a=%2F&b=%C3%A4"]
    assert receiver.headers[0]["X-Test"] == "yes"


async def test_a_redirect_is_not_followed(receivers, receiver, url):
    assert await post(receivers, url, "moved") == 302
    assert receiver.paths == ["/moved"]


@pytest.mark.parametrize("path", ["slow", "huge"])
async def test_the_body_of_an_answer_is_not_waited_for(receivers, url, path):
    assert await post(receivers, url, path) == 200


async def test_a_server_that_hangs_or_says_too_much_is_given_up(receivers, url, monkeypatch):
    with pytest.raises(Unavailable, match="gave no answer"):
        await post(receivers, url, "headers")
    monkeypatch.setattr(driver, "POST_S", 0.2)
    with pytest.raises(Unavailable, match="did not answer within"):
        await post(receivers, url, "hang")


async def test_a_certificate_that_nobody_vouches_for_is_refused(receiver, url, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Unavailable, match="certificate"):
        await post(HttpReceivers(), url)
    assert receiver.bodies == []


async def test_a_server_without_tls_is_refused(receivers):
    async def answer(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        with pytest.raises(Unavailable):
            await post(receivers, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "localhost", "10.1.2.3", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"]
)
async def test_addresses_that_are_not_public_are_refused_however_they_are_written(receivers, host):
    with pytest.raises(Denied, match="webhook_networks"):
        await receivers.post(Posting(f"https://{host}/", {}, b"", ()))


async def test_a_host_without_an_address_is_unavailable(receivers):
    with pytest.raises(Unavailable, match="cannot be resolved"):
        await receivers.check("https://nobody.invalid/", ())


async def test_names_that_cannot_be_resolved_for_long_hold_up_nothing_else(monkeypatch):
    released = threading.Event()

    def hang(*_args, **_options):
        released.wait()
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    receivers = HttpReceivers()
    lookups = [asyncio.create_task(receivers.check("https://silent.example.com/", ())) for _ in range(50)]
    try:
        await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 60) == "done"
    finally:
        released.set()
    assert {type(error) for error in await asyncio.gather(*lookups, return_exceptions=True)} == {Unavailable}
