"""The dashboard over a stage, and a client that fills in forms as a browser does."""

import re
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from skypanel.flow import accounts
from skypanel.settings import Settings
from tests.panels import ADDRESS
from web.app import create_app

HOST = "skypanel.localhost:8080"
ORIGIN = f"http://{HOST}"
TOKEN = "the-proxys-token"
BEAT_S = 0.1

SETTINGS = Settings(
    home=Path("/home"), run_dir=Path("/run"), address=ADDRESS, web_port=7000, traefik_port=7001, git_port=7002, uid_base=1,
    subnet=IPv4Network("10.9.64.0/18"), allow=(), panel_uid=0, panel_gid=0, database_password="", valkey_password="",
    traefik_token=TOKEN,
)  # fmt: skip


class Client(TestClient):
    """A browser without scripts: it keeps cookies, and sends forms with the token that their page has."""

    async def form_token(self, page="/login"):
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', await (await self.get(page)).text())
        assert found, f"{page} has no form"
        return found[1]

    async def send(self, path, page="/login", headers=(), **fields):
        """Fill in the form of a page and send it."""
        data = {"form_token": await self.form_token(page)} | fields
        return await self.post(path, data=data, headers={"Origin": ORIGIN} | dict(headers), allow_redirects=False)

    async def sign_in(self, account, **headers):
        """Sign in by a link."""
        token = (await accounts.login_link(self.app_panel, account)).partition("=")[2]
        return await self.send("/login", headers=headers, token=token)

    async def page(self, path, status=200):
        """Return a page's text, with single spaces."""
        response = await self.get(path, allow_redirects=False)
        assert response.status == status, await response.text()
        return re.sub(r"\s+", " ", await response.text())


@pytest.fixture
def fault():
    """Errors that the path /raising raises."""
    return []


@pytest.fixture
def dashboard(stage, fault, tmp_path):
    async def raising(request):
        raise fault[0]

    (tmp_path / "proxy").mkdir()
    app = create_app(stage.panel, replace(SETTINGS, run_dir=tmp_path), beat_s=BEAT_S)
    app.router.add_get("/raising", raising)
    return app


@pytest.fixture
async def new_client(dashboard, stage):
    """Make clients with cookies of their own."""
    server = TestServer(dashboard)
    made = []

    async def new():
        client = Client(server, cookie_jar=CookieJar(unsafe=True), headers={"Host": HOST})
        client.app_panel = stage.panel
        made.append(client)
        await client.start_server()
        return client

    yield new
    for client in made:
        await client.close()
    await server.close()


@pytest.fixture
async def client(new_client):
    return await new_client()


@pytest.fixture
async def admin(client, stage):
    """A client that is signed in as the admin."""
    assert (await client.sign_in(stage.admin)).status == 303
    return client
