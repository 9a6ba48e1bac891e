"""Fetching apps' own pages for errors, from real servers."""

from ipaddress import ip_network

import pytest
from aiohttp import web

from skypanel.domain.errors import Denied, Unavailable
from skypanel.domain.http_errors import OwnPage
from skypanel.drivers.error_pages import HttpErrorPages
from skypanel.ports.error_pages import MAX_BYTES
from tests.fixtures.proxy import serve

HERE = (ip_network("127.0.0.0/8"),)


@pytest.fixture
async def origin():
    async def answer(request):
        kind = request.match_info["kind"]
        if kind == "moved":
            raise web.HTTPFound("/page")
        body = b"x" * (MAX_BYTES + 1) if kind == "large" else b"<h1>\xe9</h1>"
        types = {"picture": "image/png", "odd": 'text/html; charset="\xe4 b"', "plain": "text/html"}
        content_type = types.get(kind, "text/html; charset=iso-8859-1")
        headers = {"Content-Type": content_type, "Set-Cookie": "a=b"}
        return web.Response(status=404 if kind == "missing" else 200, body=body, headers=headers)

    runner, endpoint = await serve([web.get("/{kind}", answer)])
    yield f"http://{endpoint}"
    await runner.cleanup()


async def test_a_page_is_its_body_and_charset(origin):
    assert await HttpErrorPages().fetch(f"{origin}/page", HERE) == OwnPage(b"<h1>\xe9</h1>", "iso-8859-1")


@pytest.mark.parametrize("kind", ["odd", "plain"])
async def test_a_page_without_a_charset_of_which_there_is_one_is_utf8(origin, kind):
    assert (await HttpErrorPages().fetch(f"{origin}/{kind}", HERE)).charset == "utf-8"


@pytest.mark.parametrize("kind", ["moved", "missing", "picture", "large"])
async def test_what_is_no_page_is_refused(origin, kind):
    with pytest.raises(Unavailable):
        await HttpErrorPages().fetch(f"{origin}/{kind}", HERE)


async def test_private_addresses_are_asked_only_where_they_are_allowed(origin):
    with pytest.raises(Denied):
        await HttpErrorPages().fetch(f"{origin}/page", ())


@pytest.mark.parametrize(
    "url", ["", "ftp://example.com/", "file:///etc/passwd", "https://", "//example.com", "http://[::1", "http://a:b@:80/"]
)
async def test_what_is_no_url_is_refused(url):
    with pytest.raises(Unavailable):
        await HttpErrorPages().fetch(url, HERE)


async def test_a_server_that_does_not_answer_is_unavailable():
    with pytest.raises(Unavailable):
        await HttpErrorPages().fetch("http://127.0.0.1:1/", HERE)
