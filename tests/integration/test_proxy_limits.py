"""The proxy's limits of time, errors of dynos and their codes, and redirects to HTTPS."""

import asyncio
import re
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from skypanel.domain.http_rules import HttpRules
from tests.fixtures.proxy import HOST, running_proxy, serve
from tests.support.until import until

LIMIT_S = 3
QUICK = HttpRules(first_byte_timeout_s=LIMIT_S, idle_timeout_s=LIMIT_S)
# Pauses are well below the limit; a few of them together are above it.
PAUSE_S, PAUSES = 0.8, 5
LONG_S = 30
MB = 1_000_000


@pytest.fixture
async def proxy(tmp_path):
    async with running_proxy(tmp_path) as made:
        made.status = 503
        yield made


@asynccontextmanager
async def app(proxy, handler, rules=QUICK):
    runner, endpoint = await serve([web.route("*", "/{path:.*}", handler)], finish_s=0.1)
    await proxy.switch(endpoint, app_id=uuid4(), rules=rules)
    try:
        yield endpoint
    finally:
        await runner.cleanup()


async def told(proxy, count=1):
    await until(lambda: has(len(proxy.errors) >= count))
    return [(each["code"], each["path"]) for each in proxy.errors]


async def has(value):
    return value


async def test_a_dyno_that_does_not_begin_its_answer_in_time_is_h12(proxy):
    connections = []

    async def wait(request):
        connections.append(request.transport)
        await request.read()
        await asyncio.sleep(LONG_S)

    async with app(proxy, wait):
        assert await proxy.text(path="/slow?a=b", method="POST", data=b"x") == (503, f"panel: {HOST}")
        await until(lambda: has(connections[0].is_closing()))
    (told,) = proxy.errors
    assert (told["code"], told["method"], told["path"], told["fwd"]) == ("H12", "POST", "/slow?a=b", "127.0.0.1")
    assert LIMIT_S <= int(told["service_ms"]) / 1000 < LONG_S
    assert re.fullmatch("[0-9a-f-]{36}", told["request_id"])


async def test_the_time_to_the_first_byte_begins_after_the_last_byte_of_the_request(proxy):
    async def count(request):
        return web.Response(text=str(len(await request.read())))

    async def slowly():
        for _ in range(PAUSES):
            yield b"x" * 10
            await asyncio.sleep(PAUSE_S)

    async with app(proxy, count):
        assert await proxy.text(method="POST", data=slowly()) == (200, str(10 * PAUSES))
    assert proxy.errors == []


async def test_an_answer_that_goes_on_may_take_any_time_and_one_that_falls_silent_is_h15(proxy):
    async def stream(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(PAUSES):
            await response.write(b"tick\n")
            await asyncio.sleep(PAUSE_S)
        if request.path == "/silent":
            await asyncio.sleep(LONG_S)
        return response

    async with app(proxy, stream):
        assert await proxy.text(path="/ends") == (200, "tick\n" * PAUSES)
        assert proxy.errors == []
        with pytest.raises(aiohttp.ClientError):
            await proxy.text(path="/silent")
        assert await told(proxy) == [("H15", "/silent")]


async def test_a_websocket_lives_while_either_side_speaks_and_a_silent_one_is_h15(proxy):
    async def listen(request):
        channel = web.WebSocketResponse()
        await channel.prepare(request)
        async for message in channel:
            if message.data == "speak":
                for _ in range(PAUSES):
                    await asyncio.sleep(PAUSE_S)
                    await channel.send_str("word")
        return channel

    async with app(proxy, listen), connected(proxy) as channel:
        for _ in range(PAUSES):
            await channel.send_str("hush")
            await asyncio.sleep(PAUSE_S)
        await channel.send_str("speak")
        assert [await channel.receive_str() for _ in range(PAUSES)] == ["word"] * PAUSES
        assert proxy.errors == []
        assert (await channel.receive()).type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}
        assert await told(proxy) == [("H15", "/socket")]


def connected(proxy):
    return proxy.session.ws_connect(f"{proxy.origin('http', '127.0.0.1')}/socket", headers={"Host": HOST})


@pytest.mark.parametrize(
    ("answer", "code"),
    [(b"", "H13"), (b"HTTP/1.1 200", "H13"), (b"Hello\r\n\r\n", "H17"), (b"HTTP/1.1 two OK\r\n\r\n", "H17")],
)
async def test_a_dyno_that_answers_nothing_or_no_http_is_told_apart(proxy, answer, code):
    async def broken(request):
        request.transport.write(answer)
        request.transport.close()
        return web.Response()

    async with app(proxy, broken):
        assert await proxy.text(method="POST") == (503, f"panel: {HOST}")
    assert [each["code"] for each in proxy.errors] == [code]


async def test_an_answer_that_breaks_off_is_h18_and_one_that_the_client_left_is_no_error(proxy):
    async def half(request):
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"x" * 50)
        if request.path == "/wait":
            await asyncio.sleep(LONG_S)
        request.transport.abort()
        return response

    async with app(proxy, half, HttpRules()):
        async with proxy.request(path="/wait") as response:
            await response.content.read(50)
        with pytest.raises(aiohttp.ClientError):
            await proxy.text(path="/breaks")
        assert await told(proxy) == [("H18", "/breaks")]


async def test_hosts_that_are_redirected_reach_https_with_path_query_and_method(proxy):
    async def seen(request):
        return web.Response(text=request.headers["X-Forwarded-Proto"])

    async with app(proxy, seen, HttpRules(https_redirect=True, hsts_max_age_s=60)):
        https = f"https://{HOST}:{proxy.settings.address.https_port}"
        for method, path, status in (("GET", "/a//b?c=d;e", 301), ("HEAD", "//evil.example/", 301), ("POST", "/", 308)):
            async with proxy.request(path, method=method, allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (status, f"{https}{path}")
                assert "Strict-Transport-Security" not in response.headers
        async with proxy.request(host=f"{HOST.upper()}.:1", allow_redirects=False) as response:
            assert response.headers["Location"] == f"{https}/"
        # What a certificate authority asks for is never redirected (RFC 8555, 8.3).
        assert await proxy.text(path="/.well-known/acme-challenge/x") == (200, "http")
        async with proxy.request(scheme="https") as response:
            assert (await response.text(), response.headers["Strict-Transport-Security"]) == ("https", "max-age=60")


async def test_what_came_over_https_to_a_proxy_in_front_is_not_redirected(tmp_path):
    async def seen(_request):
        return web.Response(headers={"Strict-Transport-Security": "max-age=1"})

    rules = HttpRules(https_redirect=True, hsts_max_age_s=60)
    options = {"headers": {"Host": HOST, "X-Forwarded-Proto": "https"}, "allow_redirects": False}
    async with (
        running_proxy(tmp_path, trusted=("127.0.0.0/8",)) as proxy,
        app(proxy, seen, rules),
        proxy.request(**options) as response,
    ):
        # What an app says of itself counts.
        assert (response.status, response.headers.getall("Strict-Transport-Security")) == (200, ["max-age=1"])


async def test_a_websocket_lives_on_when_a_deploy_leads_its_host_to_other_dynos(proxy):
    async def echo(request):
        channel = web.WebSocketResponse()
        await channel.prepare(request)
        async for message in channel:
            await channel.send_str(message.data)
        return channel

    async def new(_request):
        return web.Response(text="new")

    async with app(proxy, echo, HttpRules()), connected(proxy) as channel:
        await channel.send_str("before")
        other, endpoint = await serve([web.get("/", new)])
        await proxy.switch(endpoint, app_id=proxy.routes[0].app_id)
        assert await proxy.text() == (200, "new")
        await channel.send_str("after")
        assert [await channel.receive_str() for _ in range(2)] == ["before", "after"]
        await other.cleanup()
    assert proxy.errors == []


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_of_200_mb_streams_through_in_constant_memory(proxy, chunked):
    block, blocks = b"x" * MB, 200

    async def count(request):
        total = 0
        async for part in request.content.iter_any():
            total += len(part)
        response = web.StreamResponse(headers={} if chunked else {"Content-Length": str(total)})
        await response.prepare(request)
        for _ in range(blocks):
            await response.write(block)
        return response

    async def body():
        for _ in range(blocks):
            yield block

    async with app(proxy, count, HttpRules()):
        await proxy.text(method="POST", data=block)
        before = peak_bytes(proxy)
        length = {} if chunked else {"Content-Length": str(blocks * MB)}
        async with proxy.request(method="POST", data=body(), headers={"Host": HOST, **length}) as response:
            received = 0
            async for part in response.content.iter_any():
                received += len(part)
    assert received == blocks * MB
    assert peak_bytes(proxy) - before < 32 * MB


def peak_bytes(proxy):
    """Return the peak of Traefik's memory."""
    status = Path(f"/proc/{proxy.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


async def test_a_small_body_that_does_not_come_in_time_is_h28_and_reaches_no_dyno(proxy):
    asked = []

    async def note(request):
        asked.append(await request.read())
        return web.Response()

    proxy.status = 408
    async with app(proxy, note):
        status, body = await half_a_body(proxy)
        assert (status, body) == (408, f"panel: {HOST}")
        assert await half_a_body_by_http2(proxy) == f"panel: {HOST} 408"
    proxy.routes.clear()
    async with app(proxy, note, HttpRules()):
        assert await half_a_body(proxy, rest=b"y" * 50) == (200, "")
    assert asked == [b"x" * 50 + b"y" * 50]
    assert [(told["code"], told["path"], told["fwd"]) for told in proxy.errors] == [("H28", "/half", "127.0.0.1")] * 2
    assert all(re.fullmatch("[0-9a-f-]{36}", told["request_id"]) for told in proxy.errors)


async def half_a_body(proxy, rest=b""):
    """Send half a body, then the rest, and return the status and the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.settings.address.http_port)
    head = ("POST /half HTTP/1.1", f"Host: {HOST}", "Content-Length: 100", *(["Connection: close"] if rest else []), "", "")
    writer.write("\r\n".join(head).encode() + b"x" * 50)
    await writer.drain()
    writer.write(rest)
    async with asyncio.timeout(60):
        # The proxy closes the connection, as it does not know where the next request would begin.
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body.decode()


async def half_a_body_by_http2(proxy):
    url = f"{proxy.origin('https', HOST)}/half"
    there = ("--resolve", f"{HOST}:{proxy.settings.address.https_port}:127.0.0.1", "-k", "--http2", "--max-time", "60")
    argv = ("curl", "-s", *there, "-X", "POST", "-H", f"Host: {HOST}", "-H", "Content-Length: 100", "-T", "-", "-w", " %{http_code}", url)
    curl = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    curl.stdin.write(b"x" * 50)
    await curl.stdin.drain()
    # curl looks for an answer when it has more to send.
    await told(proxy, count=2)
    answer, _ = await curl.communicate(b"y" * 50)
    return answer.decode()
