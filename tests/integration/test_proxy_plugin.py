"""The proxy's plugin: what apps get of a request, what a visitor gets where nobody answers, and who may take his time."""

import asyncio
import json
import re
import time
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from skypanel.domain.routing import Route
from skypanel.drivers.proxy import plugin
from skypanel.embedded import routes
from tests.fixtures.proxy import HOST, running_proxy, serve
from tests.support.until import until

PATHS = (
    "/a%2Fb", "/a//b", "//a", "/a/../b", "/a/./b", "/a;b=c", "/a%3Bb", "/a%5Cb", "/a%00b", "/a%23b", "/a%3Fb", "/a%25b", "/caf%C3%A9",
    "/a?", "/a?b=c;d=e&f", "/a?x=%zz", "/a+b%20c", "/https://x.test/y", "/a'b()*!", "/a|b", "//a?b;c", "/?a//b/../c",
)  # fmt: skip
FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Real-Ip": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.test",
    "Forwarded": "for=6.6.6.6",
    "X-Forwarded-Ssl": "on",
    "X_Forwarded_For": "6.6.6.6",
    "X.Forwarded.For": "6.6.6.6",
    "X-Request-Start": "6.6.6.6",
    "Connection": "X-Forwarded-For, keep-alive",
}
UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture
async def proxy(tmp_path):
    async with running_proxy(tmp_path) as made:
        yield made


@asynccontextmanager
async def app(proxy, *endpoints, handler=None):
    """Lead the host to an app that tells what it was asked, and to the endpoints beside it."""

    async def tell(request):
        body = await request.read()
        return web.json_response({"path": request.raw_path, "headers": list(request.headers.items()), "size": len(body)})

    runner, endpoint = await serve([web.route("*", "/{path:.*}", handler or tell)])
    await proxy.switch(*endpoints, endpoint, app_id=uuid4())
    yield endpoint
    await runner.cleanup()


async def connect(proxy):
    return await asyncio.open_connection("127.0.0.1", proxy.settings.address.http_port)


async def raw(proxy, path, host=HOST, headers=(), method="GET"):
    """Ask byte by byte, and return the status and the body."""
    reader, writer = await connect(proxy)
    lines = (f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "Connection: close", "", "")
    writer.write("\r\n".join(lines).encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body.decode()


async def test_paths_reach_an_app_as_they_were_sent(proxy):
    async with app(proxy):
        arrived = {path: json.loads((await raw(proxy, path))[1])["path"] for path in PATHS}
    assert arrived == {path: path for path in PATHS}


async def test_a_service_that_traefik_finds_by_itself_gets_requests_as_they_were_sent(tmp_path):
    """As the tasks of a Swarm behind their ingress, but for `;` in queries, of which Traefik makes `&`, and what it escapes."""
    host = "service.localhost"
    async with running_proxy(tmp_path, change=watching) as proxy, app(proxy) as endpoint:
        routing = {
            "routers": {"service": {"rule": f"Host(`{host}`)", "middlewares": ["left"], "service": "service"}},
            "middlewares": {"left": plugin.middleware()},
            "services": {"service": {"loadBalancer": {"servers": [{"url": f"http://{endpoint}"}]}}},
        }
        (proxy.settings.run_dir / routes.FOLDER / "service.yaml").write_text(json.dumps({"http": routing}))
        await until(lambda: led(proxy, host))
        told = {path: json.loads((await raw(proxy, path, host=host))[1]) for path in PATHS}
    assert {path: each["path"] for path, each in told.items()} == {path: as_traefik_writes(path) for path in PATHS}
    assert {dict(each["headers"])["Accept-Encoding"] for each in told.values()} == {"identity"}


def watching(static_config):
    file = static_config["providers"]["file"]
    file |= {"directory": str(Path(file.pop("filename")).parent), "watch": True}
    return static_config


async def led(proxy, host):
    return not (await proxy.text(host=host))[1].startswith("panel")


def as_traefik_writes(path):
    before, asks, query = path.partition("?")
    return before.replace("|", "%7C") + asks + query.replace(";", "&")


async def test_paths_of_the_panel_are_cleaned(proxy):
    proxy.tells_paths = True
    found = [(await raw(proxy, path, host="skypanel.localhost"))[1] for path in ("//a", "/a/../b", "/a/./b//c", "/%2e%2e/d?e=f")]
    assert found == ["panel: /a", "panel: /b", "panel: /a/b/c", "panel: /d?e=f"]


async def test_an_app_gets_the_headers_that_heroku_adds_and_none_that_the_client_made_up(proxy):
    async with app(proxy):
        before = time.time()
        told = json.loads((await raw(proxy, "/", headers=[f"{name}: {value}" for name, value in FORGED.items()]))[1])["headers"]
    headers = dict(told)
    assert headers["X-Forwarded-For"] == headers["X-Real-IP"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["Via"] == "1.1 skypanel"
    assert re.fullmatch(UUID4, headers["X-Request-ID"])
    assert before - 1 < int(headers["X-Request-Start"]) / 1000 < time.time() + 1
    assert not {"Accept-Encoding", "Forwarded", "X-Forwarded-Ssl", "X_Forwarded_For", "X.Forwarded.For"} & headers.keys()
    assert not [value for value in headers.values() if "6.6.6.6" in value or "evil" in value]


async def test_what_a_trusted_proxy_says_of_a_visitor_is_passed_on(tmp_path):
    said = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "hello.example"}
    async with running_proxy(tmp_path, trusted=("127.0.0.0/8",)) as proxy, app(proxy):
        told = json.loads((await raw(proxy, "/", headers=[f"{name}: {value}" for name, value in said.items()]))[1])["headers"]
    assert said | {"X-Forwarded-For": "198.51.100.7, 127.0.0.1"} == {name: dict(told)[name] for name in said}


async def test_the_addresses_ports_and_hosts_that_a_client_makes_up_do_not_arrive_in_any_way(proxy):
    """Neither sent twice, nor as a hop-by-hop header, nor in a trailer (RFC 9110, 6.5)."""
    names = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Host", "X-Real-Ip", "Via", "X-Request-Id")
    twice = [f"{name}: 6.6.6.6" for name in names for _ in range(2)]
    body = "1\r\nx\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nX-Mine: 7\r\n\r\n"
    trailed = ["Transfer-Encoding: chunked", "Trailer: X-Forwarded-For, X-Mine", "Connection: X-Forwarded-Port, X-Request-Start"]
    seen = []

    async def see(reader, writer):
        arrived = await reader.readuntil(b"\r\n\r\n") + await reader.readuntil(b"\r\n0\r\n")
        while (line := await reader.readline()).strip():
            arrived += line
        seen.append(arrived.decode())
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(see, "127.0.0.1", 0)
    await proxy.switch(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", app_id=uuid4())
    reader, writer = await connect(proxy)
    writer.write("\r\n".join(("POST / HTTP/1.1", f"Host: {HOST}", *twice, *trailed, "", body)).encode())
    assert (await asyncio.wait_for(reader.readline(), 60)).split()[1] == b"204"
    writer.close()
    server.close()
    (arrived,) = seen
    headers, _, trailers = arrived.partition("\r\n\r\n")
    assert "6.6.6.6" not in trailers
    values = {name: re.findall(rf"^{name}: (.*)\r$", headers + "\r", re.MULTILINE | re.IGNORECASE) for name in names}
    assert {name: values[name] for name in names[:5]} == {
        "X-Forwarded-For": ["127.0.0.1"], "X-Forwarded-Proto": ["http"], "X-Forwarded-Port": ["80"], "X-Forwarded-Host": [HOST],
        "X-Real-Ip": ["127.0.0.1"],
    }  # fmt: skip
    # What proxies before us said of themselves is kept, in one value.
    assert values["Via"] == ["6.6.6.6, 6.6.6.6, 1.1 skypanel"]
    assert len(values["X-Request-Id"]) == len(re.findall("^X-Request-Start: ", headers, re.MULTILINE)) == 1


@pytest.mark.parametrize("version", [1, 2])
async def test_a_load_balancer_names_the_visitor_by_the_proxy_protocol(tmp_path, version):
    async with running_proxy(tmp_path, proxy_protocol=("127.0.0.0/8",)) as proxy, app(proxy):
        headers = await after(proxy, PROXIED[version])
        assert headers["X-Forwarded-For"] == headers["X-Real-IP"] == "198.51.100.7"
        # One that does not begin so is the visitor itself.
        assert (await after(proxy, b""))["X-Forwarded-For"] == "127.0.0.1"


async def test_nobody_else_names_a_visitor_by_the_proxy_protocol(tmp_path):
    async with running_proxy(tmp_path, proxy_protocol=("198.51.100.0/24",)) as proxy, app(proxy):
        for begun in PROXIED.values():
            headers = await after(proxy, begun)
            assert headers is None or headers["X-Forwarded-For"] == "127.0.0.1"


# https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
PROXIED = {
    1: b"PROXY TCP4 198.51.100.7 198.51.100.1 5000 80\r\n",
    2: b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([198, 51, 100, 7, 198, 51, 100, 1, 19, 136, 0, 80]),
}


async def after(proxy, begun):
    """Return the headers that an app gets of a request after these bytes, or None if it gets none."""
    reader, writer = await connect(proxy)
    writer.write(begun + f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return dict(json.loads(body)["headers"]) if head.split()[1:2] == [b"200"] else None


async def test_http_3_is_offered_where_it_is_on(tmp_path):
    """A QUIC server answers a version that it does not know with those that it does (RFC 9000, 6)."""

    class Answers(asyncio.DatagramProtocol):
        def __init__(self):
            self.received = asyncio.get_running_loop().create_future()

        def datagram_received(self, data, _address):
            self.received.set_result(data)

    async with running_proxy(tmp_path, http3="on") as proxy, app(proxy):
        port = proxy.settings.address.https_port
        async with proxy.request(scheme="https") as response:
            assert response.headers["Alt-Svc"].startswith(f'h3=":{port}"')
        transport, answers = await asyncio.get_running_loop().create_datagram_endpoint(Answers, remote_addr=("127.0.0.1", port))
        transport.sendto(b"\xc0\x1a\x2a\x3a\x4a\x08" + bytes(8) + b"\x08" + bytes(8) + bytes(1200))
        answer = await asyncio.wait_for(answers.received, 60)
        transport.close()
    assert (answer[0] & 0x80, answer[1:5]) == (0x80, bytes(4))
    assert b"\0\0\0\x01" in answer[5:]


async def test_the_id_of_a_request_is_the_clients_if_it_may_be_one(proxy):
    async with app(proxy):
        for given, kept in (("0123456789abcdefghij", True), ("short", False), ("with a space in it, and long", False)):
            headers = dict(json.loads((await raw(proxy, "/", headers=[f"X-Request-Id: {given}", "Via: 1.0 fred"]))[1])["headers"])
            assert (headers["X-Request-ID"] == given) == kept
        assert headers["Via"] == "1.0 fred, 1.1 skypanel"
        assert json.loads((await raw(proxy, "/", headers=["Accept-Encoding: br"]))[1])["headers"].count(["Accept-Encoding", "br"]) == 1


async def test_the_proxy_lets_go_of_a_connection_before_a_server_does(proxy):
    closed, opened, loop = asyncio.Queue(), [], asyncio.get_running_loop()

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            opened.append(self)
            self.transport, self.at = transport, loop.time()

        def data_received(self, data):
            self.at = loop.time()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * data.count(b"\r\n\r\n"))

        def connection_lost(self, _):
            closed.put_nowait(loop.time() - self.at)

    server = await loop.create_server(Server, "127.0.0.1", 0)
    await proxy.switch(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", app_id=uuid4())
    for _ in range(5):
        assert await proxy.text(method="POST", data=b"x") == (200, "ok")
    assert len(opened) == 1
    assert 0.1 < await asyncio.wait_for(closed.get(), 60) < 5
    server.close()


async def test_what_was_not_sent_is_tried_at_the_other_dynos(proxy):
    async with app(proxy, "127.0.0.1:1", "127.0.0.1:2"):
        for size in (1, 100_000):
            sizes = [json.loads((await proxy.text(method="POST", data=b"x" * size))[1])["size"] for _ in range(3)]
            assert sizes == [size] * 3


async def test_where_no_dyno_answers_the_visitor_gets_the_panels_page(proxy):
    await proxy.switch("127.0.0.1:1", app_id=uuid4())
    proxy.status = 503
    for scheme in ("http", "https"):
        assert await proxy.text(scheme=scheme, method="POST", data=b"x") == (503, f"panel: {HOST}")
    assert [(each["code"], each["endpoint"], each["protocol"]) for each in proxy.errors] == [
        ("H21", "127.0.0.1:1", "http"), ("H21", "127.0.0.1:1", "https"),
    ]  # fmt: skip


@pytest.mark.parametrize("status", [404, 500])
async def test_where_the_panel_has_no_page_either_the_visitor_gets_the_proxys_own(proxy, status):
    await proxy.switch("127.0.0.1:1", app_id=uuid4())
    proxy.status = status
    async with proxy.request() as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert "Try again" in await response.text()


async def test_a_dyno_that_ends_while_it_answers_is_none_that_answers(proxy):
    async def end(request):
        request.transport.abort()
        return web.Response()

    proxy.status = 503
    async with app(proxy, handler=end):
        assert await proxy.text() == (503, f"panel: {HOST}")


async def test_an_apps_own_errors_are_its_own(proxy):
    async def fail(request):
        return web.Response(status=int(request.query["status"]), text="Bad Gateway")

    async with app(proxy, handler=fail):
        for status in (500, 502, 503, 504):
            assert await proxy.text(path=f"/?status={status}") == (status, "Bad Gateway")


async def test_an_ingress_that_finds_nobody_is_not_taken_for_an_app(proxy):
    """What Traefik says in its own name has no content type, or is an error of Go's; an app may say the same words."""
    answers = {
        "own": {"X-Content-Type-Options": "nosniff", "Content-Type": "text/plain; charset=utf-8"},
        "app": {"Content-Type": "text/plain"},
    }

    async def fail(request):
        kind, status, words = request.query["kind"], int(request.query["status"]), request.query["words"]
        head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(words)}\r\n"
        headers = {} if (kind, status) == ("own", 502) else answers[kind]
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request.transport.write(f"{head}{lines}\r\n{words}".encode())
        request.transport.close()
        return web.Response()

    runner, proxy.ingress = await serve([web.get("/", fail)])
    proxy.status = 503
    route = Route(uuid4(), (HOST,), (proxy.ingress,))
    proxy.routes[:] = [route]
    await proxy.router.confirm([route])
    for status, words in ((502, "Bad Gateway"), (503, "no available server\n")):
        query = {"status": status, "words": words}
        assert await proxy.text(params={**query, "kind": "own"}) == (503, f"panel: {HOST}")
        assert await proxy.text(params={**query, "kind": "app"}) == (status, words)
        assert await proxy.text(params={**query, "kind": "own", "words": "Sorry"}) == (status, "Sorry")
    await runner.cleanup()


async def test_hints_come_before_the_answer(proxy):
    """103 (RFC 8297) is passed on, and does not end the request."""

    async def hint(request):
        request.transport.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        return web.Response(text="ok")

    async with app(proxy, handler=hint):
        reader, writer = await connect(proxy)
        writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answers = re.findall(rb"HTTP/1.1 (\d+)", await reader.read())
        writer.close()
    assert answers == [b"103", b"200"]


def impatient(config):
    for name in ("web", "websecure"):
        config["entryPoints"][name]["transport"]["respondingTimeouts"]["readTimeout"] = "1s"
    return config


@pytest.fixture
async def impatient_proxy(tmp_path):
    async with running_proxy(tmp_path, change=impatient) as made:
        await made.text(scheme="https")
        yield made


async def half_sent(proxy, text):
    """Begin a request, and return once the proxy has closed the connection."""
    reader, writer = await connect(proxy)
    writer.write(text.encode())
    await reader.read()
    writer.close()


@pytest.mark.parametrize("text", ["", "G", "GET / HTTP/1.1\r\n", f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX: "])
async def test_who_does_not_send_his_headers_is_sent_away(impatient_proxy, text):
    await asyncio.wait_for(half_sent(impatient_proxy, text), 60)


async def test_who_did_not_finish_a_tls_handshake_is_sent_away(impatient_proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient_proxy.settings.address.https_port)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00")
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()


@pytest.mark.parametrize("size", [2, 100_000])
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
async def test_a_body_may_take_longer_than_the_headers(impatient_proxy, size, version):
    async with app(impatient_proxy):
        url, headers = impatient_proxy.origin("https", "127.0.0.1"), ("-H", f"Host: {HOST}", "-H", f"Content-Length: {size}")
        curl = await asyncio.create_subprocess_exec(
            "curl", "-sk", version, "-T", "-", *headers, url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        curl.stdin.write(b"x")
        await curl.stdin.drain()
        # Whoever came after it and did not send his headers has been sent away twice.
        for _ in range(2):
            await asyncio.wait_for(half_sent(impatient_proxy, "GET"), 60)
        told, _ = await asyncio.wait_for(curl.communicate(b"x" * (size - 1)), 60)
    assert json.loads(told)["size"] == size


async def test_a_page_is_answered_beside_many_half_sent_requests(proxy):
    async with app(proxy):
        begun = [await connect(proxy) for _ in range(2000)]
        for _, writer in begun:
            writer.write(b"GET / HTTP/1.1\r\nHost: h")
        async with asyncio.timeout(10):
            assert (await proxy.text())[0] == 200
        for _, writer in begun:
            writer.transport.abort()
