"""Log drains over TCP, TLS and HTTPS, with real servers."""

import asyncio
import re
import socket
from contextlib import closing, suppress
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from skypanel.domain.errors import Denied, Invalid, Unavailable
from skypanel.drivers.log_drains import https, syslog
from skypanel.drivers.log_drains.servers import LogServers
from tests.contracts.log_drains import LogDrainsContract, shipment
from tests.fixtures.mail_server import trusted
from tests.fixtures.syslog import syslog_server
from tests.support.until import until

__all__ = ["trusted"]

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
HEAD = r"<190>1 2024-01-01T00:00:00\.000000\+00:00 d\.22222222-2222-2222-2222-222222222222 app web\.1"


class Gateway:
    """An HTTPS server that keeps requests, and answers with `status`, once it is released."""

    def __init__(self):
        self.requests, self.bodies = [], []
        self.status = 202
        self.released = asyncio.Event()
        self.released.set()

    async def handle(self, request):
        self.bodies.append(await request.text())
        self.requests.append(request)
        await self.released.wait()
        return web.Response(status=self.status)

    def texts(self):
        return [text for body in self.bodies for text in re.findall(r"web\.1 - (.*)\n", body)]


@pytest.fixture
def drains(trusted):
    return LogServers()


@pytest.fixture
def gone_port():
    with closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))
        yield closed.getsockname()[1]


@pytest.fixture
async def plain():
    async with syslog_server() as server:
        yield server


@pytest.fixture
async def encrypted(trusted):
    async with syslog_server(trusted) as server:
        yield server


@pytest.fixture
async def gateway(trusted):
    gateway = Gateway()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gateway.handle)
    server = TestServer(app, scheme="https", host="127.0.0.1")
    await server.start_server(ssl=trusted)
    gateway.port = server.port
    yield gateway
    gateway.released.set()
    await server.close()


@pytest.fixture
def networks():
    return LOOPBACK


class TestSyslog(LogDrainsContract):
    @pytest.fixture
    def received(self, plain):
        return plain.texts

    @pytest.fixture
    def url(self, plain):
        return f"syslog://127.0.0.1:{plain.port}"

    @pytest.fixture
    def gone(self, gone_port):
        return f"syslog://127.0.0.1:{gone_port}"


class TestSyslogOverTls(LogDrainsContract):
    @pytest.fixture
    def received(self, encrypted):
        return encrypted.texts

    @pytest.fixture
    def url(self, encrypted):
        return f"syslog+tls://127.0.0.1:{encrypted.port}"

    @pytest.fixture
    def gone(self, gone_port):
        return f"syslog+tls://127.0.0.1:{gone_port}"


class TestHttps(LogDrainsContract):
    @pytest.fixture
    def received(self, gateway):
        return gateway.texts

    @pytest.fixture
    def url(self, gateway):
        return f"https://127.0.0.1:{gateway.port}/lines"

    @pytest.fixture
    def gone(self, gone_port):
        return f"https://127.0.0.1:{gone_port}/lines"


async def test_syslog_is_rfc_5424_with_one_connection_for_all(drains, plain):
    connection = drains.open(f"syslog://127.0.0.1:{plain.port}")
    for text in ("one", "\N{SNOWMAN} and more"):
        await connection.send(shipment(text), LOOPBACK)
    await until(lambda: len(plain.frames) == 2)
    assert re.fullmatch(rf"{HEAD} - - one\n", plain.frames[0])
    assert plain.texts()[1] == "\N{SNOWMAN} and more"
    assert plain.connections == 1
    await connection.close()


async def test_https_has_logplex_headers_and_a_login_and_the_path_as_they_were_written(drains, gateway):
    await drains.open(f"https://me:s%40cret@127.0.0.1:{gateway.port}/a%2Fb?key=%C3%A4").send(shipment("one", "two"), LOOPBACK)
    [request] = gateway.requests
    assert request.headers["Content-Type"] == "application/logplex-1"
    assert request.headers["Logplex-Msg-Count"] == "2"
    assert request.headers["Logplex-Frame-Id"] == "11111111-1111-1111-1111-111111111111"
    assert request.headers["Logplex-Drain-Token"] == "d.22222222-2222-2222-2222-222222222222"
    assert request.headers["Authorization"] == "Basic bWU6c0BjcmV0"
    assert request.raw_path == "/a%2Fb?key=%C3%A4"
    length = len("<190>1 2024-01-01T00:00:00.000000+00:00 d.22222222-2222-2222-2222-222222222222 app web.1 - one\n")
    assert re.fullmatch(rf"{length} {HEAD} - one\n{length} {HEAD} - two\n", gateway.bodies[0])


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (500, Unavailable, "It answered 500."),
        (429, Unavailable, "It answered 429."),
        (403, Unavailable, "It answered 403."),
        (302, Unavailable, "redirects are not followed"),
        (400, Invalid, "It answered 400."),
        (413, Invalid, "It answered 413."),
    ],
)
async def test_only_what_will_never_be_taken_is_not_sent_again(drains, gateway, status, kind, said):
    gateway.status = status
    with pytest.raises(kind, match=said):
        await drains.open(f"https://127.0.0.1:{gateway.port}/").send(shipment("one"), LOOPBACK)


async def test_a_server_that_hangs_is_given_up(drains, gateway, plain, monkeypatch):
    gateway.released.clear()
    plain.reads.clear()
    monkeypatch.setattr(https, "SEND_S", 0.2)
    monkeypatch.setattr(syslog, "SEND_S", 0.2)
    with pytest.raises(Unavailable, match="did not answer within"):
        await drains.open(f"https://127.0.0.1:{gateway.port}/").send(shipment("one"), LOOPBACK)
    connection = drains.open(f"syslog://127.0.0.1:{plain.port}")
    with pytest.raises(Unavailable, match="took no lines within"):
        await connection.send(shipment(*["x" * 100_000] * 200), LOOPBACK)
    plain.reads.set()
    monkeypatch.setattr(syslog, "SEND_S", 10)
    await connection.send(shipment("on a new connection"), LOOPBACK)
    await until(lambda: "on a new connection" in plain.texts())
    await connection.close()


async def test_a_server_that_closes_gets_the_next_lines_on_a_new_connection(drains, plain):
    connection = drains.open(f"syslog://127.0.0.1:{plain.port}")
    plain.closes_after = 1
    await connection.send(shipment("one"), LOOPBACK)
    await until(lambda: plain.closes_after == 0)
    plain.closes_after = None

    async def again():
        # What is sent before the end of the connection is seen is lost: syslog over TCP has no receipts.
        with suppress(Unavailable):
            await connection.send(shipment("two"), LOOPBACK)
        return plain.connections == 2

    await until(again)
    await until(lambda: plain.texts()[1:2] == ["two"])
    await connection.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted, gateway, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    drains = LogServers()
    for url in (f"syslog+tls://127.0.0.1:{encrypted.port}", f"https://127.0.0.1:{gateway.port}/secret-path"):
        with pytest.raises(Unavailable, match="certificate") as refused:
            await drains.open(url).send(shipment("one"), LOOPBACK)
        assert "secret-path" not in str(refused.value)
    assert encrypted.frames == gateway.bodies == []


async def test_a_name_that_leads_elsewhere_by_now_is_refused_when_it_is_connected_to(drains, plain, monkeypatch):
    """DNS rebinding: the check when a drain is added counts for that moment alone."""
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("198.51.100.7", plain.port))]
    private = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", plain.port))]
    answers = [public, private]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: answers.pop(0))
    url = f"syslog://rebound.example.com:{plain.port}"
    await drains.check(url, (ip_network("198.51.100.0/24"),))
    with pytest.raises(Denied):
        await drains.open(url).send(shipment("one"), (ip_network("198.51.100.0/24"),))
    assert plain.connections == 0


async def test_a_host_without_an_address_is_unavailable(drains):
    with pytest.raises(Unavailable, match="cannot be resolved"):
        await drains.check("syslog://nobody.invalid", ())
