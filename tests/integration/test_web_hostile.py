"""Whatever is sent to whichever path: the answer is a plain refusal, never an error of the panel's own.

Refusals leave a panel as it was, so these tests share one.
"""

import asyncio
import gzip
import logging
import zlib
from dataclasses import replace

import pytest
import pytest_asyncio

from skypanel.store.engine import Postgres
from tests.fixtures.web import HOST, ORIGIN, SETTINGS, serving
from tests.support.api_walk import rows
from tests.support.panels import open_stage
from web.app import create_app
from web.routes import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILLED = {
    "{container:": "a" * 64,
    "{app:": "hello",
    "{build:": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    "{deploy:": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    "{organization:": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    "{account:": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    "{plan:": "Pro",
    "{version:": "1",
    "{content:": "a" * 16,
    "{name:": "style.css",
    "{digest:": "a" * 64,
    "{token:": "a" * 43,
}


def filled(path):
    """Return a path with something well-formed for each of its variables."""
    for start, value in FILLED.items():
        while start in path:
            before, _, rest = path.partition(start)
            depth, end = 1, 0
            while depth:
                depth += {"{": 1, "}": -1}.get(rest[end], 0)
                end += 1
            path = before + value + rest[end:]
    return path


PATHS = sorted({filled(route.path) for route in ROUTES})
ALLOWED = {path: {route.method for route in ROUTES if filled(route.path) == path} for path in PATHS}
FORMS = [filled(route.path) for route in ROUTES if route.method == "POST"]
METHODS = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
HOSTS = [
    "evil.example",
    "localhost",
    "hello.localhost",
    "skypanel.localhost.evil.example",
    "xskypanel.localhost",
    "[::1]:8080",
    "a" * 300,
    "ü",
    "'",
    ":",
]
TARGETS = [
    *"""
    /apps/%00 /apps/%ff /apps/hello%00 /apps/..%2f..%2fetc%2fpasswd /apps/../../etc/passwd /apps/HELLO /apps/hello// /apps/{app}
    /apps/hello/builds/1 /apps/hello/builds/%00 /apps/hello/builds/00000000-0000-0000-0000-00000000000%66
    /apps/hello/deploys/1 /apps/hello/deploys/%00 /apps/hello/deploys?older=%00 /apps/hello/deploys?newer=x
    /apps/hello/environment?older=9999999999 /apps/hello/environment?newer=%00
    /apps/hello/releases/0 /apps/hello/releases/-1 /apps/hello/releases/999999999 /apps/hello/releases/9999999999
    /organizations/%00 /organizations/Main /organizations/..%2fnodes /admin/organizations?q=%00
    /apps/hello?before= /apps/hello?before=x /apps/hello?before=%00 /apps/hello?before=99999999999
    /static/ /static/../app.py /static/%2e%2e/app.py /static//etc/passwd /internal/ /internal/traefik ///a/ /% /%zz * http:// \\
    """.split(),  # noqa: SIM905 - easier to read
    "/" + "a" * 7000,
    "/" + "a" * 20_000,
]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BODIES = {
    "nothing": (FORM, b""),
    "no type": ({}, b"form_token=1"),
    "another type": ({"Content-Type": "application/json"}, b'{"form_token": "1"}'),
    "no type at all": ({"Content-Type": "nonsense; ; charset"}, b"form_token=1"),
    "parts without a boundary": ({"Content-Type": "multipart/form-data"}, b"--\r\n\r\n--"),
    "parts": ({"Content-Type": "multipart/form-data; boundary=x"}, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--x--\r\n'),
    "an unknown charset": ({"Content-Type": "application/x-www-form-urlencoded; charset=klingon"}, b"form_token=1"),
    "bytes of no encoding": (FORM, b"form_token=\xff\xfe"),
    "escaped bytes of no encoding": (FORM, b"form_token=%ff%fe"),
    "a surrogate": (FORM, b"form_token=%ed%a0%80"),
    "many fields": (FORM, b"a=1&" * 5000),
    "too much": (FORM, b"form_token=" + b"a" * 3_000_000),
    "no gzip": (FORM | {"Content-Encoding": "gzip"}, b"form_token=1"),
    "a bomb": (FORM | {"Content-Encoding": "gzip"}, gzip.compress(b"a" * 50_000_000)),
    "half a gzip": (FORM | {"Content-Encoding": "gzip"}, gzip.compress(b"form_token=1")[:-5]),
    "an unknown coding": (FORM | {"Content-Encoding": "rot13"}, b"form_token=1"),
    "deflate": (FORM | {"Content-Encoding": "deflate"}, zlib.compress(b"form_token=1")),
}  # fmt: skip
RAW = [
    b"POST /login HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /login HTTP/1.1\r\nHost: %s\r\nContent-Length: -1\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: %s\r\nHost: evil.example\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: %s\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"NONSENSE / HTTP/1.1\r\nHost: %s\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: %s\r\nCookie: skypanel=\xff\xfe; =; ;\r\n\r\n",
    b"GET /apps/hello HTTP/1.1\r\nHost: %s\r\nX-Forwarded-Proto: javascript\r\nX-Forwarded-For: \xff, ,\r\n\r\n",
    b"GET /internal/traefik HTTP/1.1\r\nHost: %s\r\nX-SkyPanel-Proxy-Token: \xff\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET  /  HTTP/1.1\r\n\r\n",
]


@pytest.fixture(autouse=True)
def _nothing_is_an_error_of_ours(caplog):
    with caplog.at_level(logging.ERROR):
        yield
    assert [record.getMessage() for record in caplog.records if record.name.startswith(("web", "asyncio"))] == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(postgres, tmp_path_factory):
    """A client of nobody's, and one that the admin, who has an app, is signed in with."""
    folder, dsn = tmp_path_factory.mktemp("hostile"), postgres.create()
    database = Postgres(dsn)
    stage = await open_stage(database, folder)
    await stage.app("hello")
    async with serving(create_app(stage.panel, replace(SETTINGS, run_dir=folder)), stage.panel) as new:
        client, signed_in = await new(), await new()
        assert (await signed_in.sign_in(stage.admin)).status == 303
        before = await rows(stage)
        yield client, signed_in
        assert await rows(stage) == before
    await database.close()
    postgres.drop(dsn)


@pytest.fixture
def client(clients):
    return clients[0]


@pytest.fixture
def signed_in(clients):
    return clients[1]


async def raw(client, request):
    """Send bytes as they are and return the status, or None where the connection was closed without a word."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        writer.write(request)
        async with asyncio.timeout(60):
            line = await reader.readline()
    finally:
        writer.close()
    return int(line.split()[1]) if line else None


def cookies(client):
    return "; ".join(f"{cookie.key}={cookie.value}" for cookie in client.session.cookie_jar)


def is_refusal(status):
    return status is None or 400 <= status < 500


@pytest.mark.parametrize("path", PATHS)
async def test_a_method_that_a_path_has_not_is_refused(signed_in, path):
    for method in set(METHODS) - ALLOWED[path]:
        answer = await signed_in.request(method, path, headers={"Origin": ORIGIN}, allow_redirects=False)
        assert answer.status == 405, method
        assert ALLOWED[path] <= set(answer.headers["Allow"].split(","))
        answer = await signed_in.request(method, path, allow_redirects=False)
        assert is_refusal(answer.status), method


@pytest.mark.parametrize("path", [path for path in PATHS if not path.startswith("/internal/")])
async def test_no_other_host_has_the_path(signed_in, path):
    for host in HOSTS:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies(signed_in)}\r\n\r\n"
        status = await raw(signed_in, request.encode())
        assert is_refusal(status) or (host == "hello.localhost" and status == 503), host


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:40])
async def test_a_target_that_is_none_is_refused(signed_in, target):
    head = f"Host: {HOST}\r\nCookie: {cookies(signed_in)}\r\n"
    assert is_refusal(await raw(signed_in, f"GET {target} HTTP/1.1\r\n{head}\r\n".encode()))


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("body", BODIES)
async def test_a_body_that_is_no_form_is_refused(signed_in, path, body):
    headers, content = BODIES[body]
    head = {"Host": HOST, "Origin": ORIGIN, "Cookie": cookies(signed_in), "Content-Length": str(len(content))} | headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    status = await raw(signed_in, f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + content)
    assert is_refusal(status)


@pytest.mark.parametrize("request_", RAW, ids=range(len(RAW)))
async def test_what_is_no_request_is_refused(client, request_):
    status = await raw(client, request_.replace(b"%s", HOST.encode()))
    # The two that are well-formed are sent to sign in.
    assert is_refusal(status) or status == 303


async def test_a_client_that_leaves_in_the_middle_of_a_form_is_no_fault(client):
    _, writer = await asyncio.open_connection(client.host, client.port)
    head = (
        f"POST /login HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {ORIGIN}\r\nContent-Type: {FORM['Content-Type']}\r\nContent-Length: 100\r\n\r\n"
    )
    writer.write(head.encode() + b"form_token=")
    await writer.drain()
    writer.close()
    await client.page("/login")


async def test_no_answer_is_stored_or_framed(signed_in):
    for path in ("/apps", "/login?token=x", "/account", "/apps/hello", "/nothing"):
        response = await signed_in.get(path)
        assert response.headers.get("Cache-Control", "no-store") == "no-store"
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
