"""The page of an app's log drains, and their endpoints."""

from urllib.parse import quote

import pytest
from sqlalchemy import text

from skypanel.flow import log_drains

PAGE = "/apps/hello/log-drains"
URL = "https://me:k3y-of-a-hook@logs.example.com/in/k3y-of-a-hook?key=k3y-of-a-hook"
SEEN = "https://logs.example.com/..."


async def test_a_drain_is_added_without_its_secrets_shown_and_its_state_is(admin, stage, app):
    assert PAGE in await admin.page("/apps/hello/settings")
    assert "No log drains" in await admin.page(PAGE)
    sent = await admin.send(PAGE, page=PAGE, do="add", url=URL)
    assert sent.headers["Location"] == PAGE
    page = await admin.page(PAGE)
    assert SEEN in page
    assert "k3y-of-a-hook" not in page
    assert "retrying" not in page
    async with stage.panel.transaction() as conn:
        await conn.execute(text("UPDATE paas_log_drains SET error = '<b>It answered 503.', dropped = 1234"))
    page = await admin.page(PAGE)
    for shown in ("retrying", "&lt;b&gt;It answered 503.", "1234"):
        assert shown in page
    [made] = await log_drains.of(stage.panel, app)
    sent = await admin.send(PAGE, page=PAGE, do="remove", id=str(made.id))
    assert sent.headers["Location"] == PAGE
    assert "No log drains" in await admin.page(PAGE)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"do": "add", "url": "http://example.com"}, "A drain has a URL of syslog, syslog+tls, https."),
        ({"do": "add", "url": "syslog://127.0.0.1"}, "is not a public server"),
        ({"do": "add"}, "A drain has a URL of"),
        ({"do": "remove", "id": "nonsense"}, "There is no such log drain."),
        ({"do": "burn"}, "This is not an action of log drains."),
    ],
)
async def test_what_is_refused_is_said_on_the_page(admin, app, fields, said):
    answer = await admin.send(PAGE, page=PAGE, **fields)
    assert answer.status == 422
    assert said in await answer.text()


async def test_the_api_speaks_as_herokus(api, app):
    made = await (await api.call("POST", PAGE, {"url": URL}, status=201)).json()
    assert made["url"] == SEEN
    assert made["token"] == f"d.{made['id']}"
    assert made["addon"] is None
    assert await api.get(PAGE) == [made]
    for name in (made["id"], made["token"], quote(URL, safe="")):
        assert await api.get(f"{PAGE}/{name}") == made
    await api.call("DELETE", f"{PAGE}/{quote(URL, safe='')}", status=200)
    assert await api.get(PAGE) == []
