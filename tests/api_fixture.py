"""The API over a stage, and clients that call it with a token."""

from dataclasses import dataclass, field
from io import BytesIO

import pytest
from aiohttp.test_utils import TestClient, TestServer

from skypanel.flow import accounts
from tests.conformance import check
from tests.web_fixture import SETTINGS
from web.app import create_app

HOST = "localhost:8443"
ACCEPT = "application/vnd.heroku+json; version=3"


@dataclass
class Api:
    """A client of the API that calls by a token; `stage` is what it calls."""

    client: TestClient
    stage: object
    token: str | None = None
    answers: list = field(default_factory=list)

    async def call(self, method, path, body=None, *, status=None, **headers):
        """Return the response, its body read; `status` is what it must have."""
        sent = {"Host": HOST, "Accept": ACCEPT, "X-Forwarded-Proto": "https"} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        if self.token and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        content = {"data": BytesIO(body)} if isinstance(body, bytes) else {} if body is None else {"json": body}
        response = await self.client.request(method, path, headers=sent, allow_redirects=False, **content)
        text = await response.text()
        assert status is None or response.status == status, text
        check(method, path, response, text)
        return response

    async def get(self, path, status=200, **headers):
        return await (await self.call("GET", path, status=status, **headers)).json()

    async def act_as(self, account, scope="global"):
        """Return a client for another account or scope."""
        return Api(self.client, self.stage, await accounts.add_token(self.stage.panel, account, "test", scope))


@pytest.fixture
async def api(stage):
    """The admin's client."""
    client = TestClient(TestServer(create_app(stage.panel, SETTINGS, beat_s=0.1)))
    await client.start_server()
    yield Api(client, stage, await accounts.add_token(stage.panel, stage.admin, "test"))
    await client.close()


@pytest.fixture
def hello(app):
    """The app, by its name."""
    return app
