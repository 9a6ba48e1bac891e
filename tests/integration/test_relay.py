"""The relay by which `skypanel heroku` reaches a panel: what it passes on, and to whom."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from skypanel.cli.heroku import environment, login_port, panel
from skypanel.cli.relay import Target, relay
from skypanel.domain.errors import Invalid, NotFound, Unavailable


@pytest.fixture
def seen():
    return []


@pytest.fixture
async def far(seen):
    """A panel that answers with what it was asked, streams, and names URLs of its own."""
    going_on = asyncio.Event()

    async def answer(request):
        seen.append((request.method, request.raw_path, request.host, dict(request.headers), await request.read()))
        if request.path == "/stream":
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b"data: one\n\n")
            await going_on.wait()
            await response.write(b"data: two\n\n")
            return response
        base = f"http://{request.host}"
        urls = {"logplex_url": f"{base}/streams/logs/x", "git_url": f"{base}/hello.git", "put": f"{base}/sources/x"}
        return web.json_response(urls, status=206, headers={"Next-Range": "id ]x..", "Location": "/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    server.going_on = going_on
    yield server
    going_on.set()
    await server.close()


@asynccontextmanager
async def relayed(target, folder, port=0):
    async with relay(target, folder, port) as taken:
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        async with ClientSession(f"https://localhost:{taken}") as session:
            session.trusted, session.port = context, taken
            yield session


def target_of(server):
    return Target(str(server.make_url("")).rstrip("/"))


async def test_a_request_comes_through_as_it_was_and_opens_streams_through_the_relay(far, seen, tmp_path):
    headers = {"Authorization": "Bearer secret", "Range": "id ..", "X-Forwarded-For": "1.2.3.4"}
    async with relayed(target_of(far), tmp_path) as session:
        sent = session.patch("/apps/a%2Fb?x=%20y", headers=headers, data=b'{"a": 1}', ssl=session.trusted, allow_redirects=False)
        async with sent as response:
            assert (response.status, response.headers["Next-Range"], response.headers["Location"]) == (206, "id ]x..", "/elsewhere")
            found = await response.json()
    method, path, host, given, body = seen[0]
    assert (method, path, host, body) == ("PATCH", "/apps/a%2Fb?x=%20y", f"{far.host}:{far.port}", b'{"a": 1}')
    assert (given["Authorization"], given["Range"]) == ("Bearer secret", "id ..")
    assert "X-Forwarded-For" not in given
    base = f"https://localhost:{session.port}"
    assert found == {
        "logplex_url": f"{base}/streams/logs/x",
        "put": f"{base}/sources/x",
        "git_url": f"http://{far.host}:{far.port}/hello.git",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.pem"]


async def test_a_stream_comes_piece_by_piece(far, tmp_path):
    async with relayed(target_of(far), tmp_path) as session, session.get("/stream", ssl=session.trusted) as response:
        async with asyncio.timeout(60):
            assert await response.content.readuntil(b"\n\n") == b"data: one\n\n"
            far.going_on.set()
            assert await response.content.read() == b"data: two\n\n"


async def test_two_relays_at_once_take_two_ports(far, tmp_path):
    (tmp_path / "other").mkdir()
    async with relayed(target_of(far), tmp_path) as first, relayed(target_of(far), tmp_path / "other", first.port) as second:
        assert first.port != second.port
        async with second.get("/", ssl=second.trusted) as response:
            assert response.status == 206


async def test_a_panel_that_is_not_there_is_said_to_be_so(tmp_path):
    async with relayed(Target("http://127.0.0.1:9"), tmp_path) as session, session.get("/apps", ssl=session.trusted) as response:
        assert response.status == 502
        assert "cannot be reached" in (await response.json())["message"]


def test_all_that_the_cli_asks_goes_to_the_relay():
    environ = {"PATH": "/bin", "HEROKU_HOST": "https://heroku.com", "HEROKU_CLOUD": "x", "SKYPANEL_TOKEN": "t", "no_proxy": "a"}
    given = environment(environ, Target("https://paas.example.com:8443"), Path("/x"), 1234, "secret")
    urls = {value for value in given.values() if value.startswith("https://")}
    assert urls == {"https://localhost:1234"}
    assert given["HEROKU_GIT_HOST"] == "paas.example.com:8443"
    assert given["HEROKU_API_KEY"] == "secret"
    assert not {"HEROKU_CLOUD", "SKYPANEL_TOKEN", "GIT_SSL_CAINFO"} & set(given)
    assert given["no_proxy"] == "a,localhost,127.0.0.1,::1"
    assert "HEROKU_API_KEY" not in environment(environ, Target("https://paas.example.com"), Path("/x"), 1234, None)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_who_trusts_what_openssl_trusts_trusts_the_relay(name):
    target = Target("https://paas.example.com")
    given = environment({name: "/etc/some"}, target, Path("/x/trusted.pem"), 1234, None)
    assert given["SSL_CERT_FILE"] == given["NODE_EXTRA_CA_CERTS"] == "/x/trusted.pem"
    assert "SSL_CERT_FILE" not in environment({}, target, Path("/x/trusted.pem"), 1234, None)


def test_a_login_is_kept_for_one_panel():
    ports = {login_port(Target(f"https://{name}.example.com")) for name in "abc"}
    assert len(ports) == 3
    assert all(20_000 <= port < 30_000 for port in ports)


@pytest.mark.parametrize(
    "url", ["paas.example.com", "ftp://x", "https://", "https://user:x@y", "https://x/path", "https://x:port", "https://x?a"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(Invalid, match="SKYPANEL_URL"):
        panel({"SKYPANEL_URL": url})


def test_whose_panel_it_is(tmp_path):
    assert panel({"SKYPANEL_URL": "https://PAAS.example.com/"}) == (Target("https://paas.example.com"), None)
    (tmp_path / "ca.crt").write_text("certificates")
    given = {"SKYPANEL_URL": "https://x", "SKYPANEL_CA": str(tmp_path / "ca.crt")}
    assert panel(given)[0].authority == "certificates"
    with pytest.raises(Unavailable, match="cannot be read"):
        panel({"SKYPANEL_URL": "https://x", "SKYPANEL_CA": str(tmp_path / "none")})
    with pytest.raises(NotFound, match="no panel"):
        panel({"SKYPANEL_HOME": str(tmp_path)})
