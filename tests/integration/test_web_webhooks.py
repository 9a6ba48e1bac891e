"""The page of an app's webhooks, and their endpoints."""

import html
import re

import pytest
from sqlalchemy import text

from skypanel.domain.access import Role
from skypanel.flow import scale, webhooks
from skypanel.store import organizations

PAGE = "/apps/hello/webhooks"
HOOK = {"url": "https://example.com/hooks?%3Cb", "include": ["api:formation"], "level": "sync"}


async def delivered(stage, app):
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    await webhooks.deliver(stage.panel, lambda: False)


async def test_a_webhook_is_added_with_a_secret_shown_once_and_its_deliveries_are_listed(admin, stage, app):
    assert PAGE in await admin.page("/apps/hello/settings")
    fields = {"do": "add", "url": HOOK["url"], "include.api:formation": "on", "level": "sync"}
    shown = html.unescape(await (await admin.send(PAGE, page=PAGE, **fields)).text())
    [secret] = re.findall(r"<pre tabindex=\"0\">([0-9a-f]{64})</pre>", shown)
    stage.panel.receivers.answers["example.com"] = 503
    await delivered(stage, app)
    page = await admin.page(PAGE)
    assert secret not in page
    assert "It answered 503." in page
    assert "retrying" in page
    [made] = await webhooks.of(stage.panel, app)
    rotated = await (await admin.send(PAGE, page=PAGE, do="rotate", id=str(made.id))).text()
    assert re.search(r"[0-9a-f]{64}</pre>", rotated)
    assert secret not in rotated
    sent = await admin.send(PAGE, page=PAGE, do="remove", id=str(made.id))
    assert sent.headers["Location"] == PAGE
    assert "No webhooks" in await admin.page(PAGE)


async def test_deliveries_have_pages(admin, stage, app):
    await webhooks.add(stage.panel, app, stage.admin, HOOK)
    await delivered(stage, app)
    async with stage.panel.transaction() as conn:
        again = "SELECT webhook_id, event_id FROM paas_webhook_deliveries, generate_series(1, 59)"
        await conn.execute(text(f"INSERT INTO paas_webhook_deliveries (webhook_id, event_id) {again}"))
    page = await admin.page(PAGE)
    assert page.count('data-label="Attempts"') == 50
    assert 'rel="prev"' not in page
    rest = await admin.page(re.search(r'href="([^"]+)" rel="next"', page)[1])
    assert rest.count('data-label="Attempts"') == 10
    assert f'href="{PAGE}?page=1" rel="prev"' in rest
    assert 'rel="next"' not in rest
    assert 'rel="prev"' in await admin.page(f"{PAGE}?page=3")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"do": "add", "url": "https://127.0.0.1/", "include.api:build": "on", "level": "sync"}, "not a public server"),
        ({"do": "add", "url": "https://example.com/", "level": "sync"}, "at least one kind of event"),
        ({"do": "remove", "id": "x"}, "names no webhook"),
        ({"do": "rotate", "id": "00000000-0000-0000-0000-000000000000"}, "no such webhook"),
        ({"do": "odd"}, "not an action of webhooks"),
    ],
)
async def test_what_cannot_be_is_said(admin, stage, app, fields, said):
    response = await admin.send(PAGE, page=PAGE, **fields)
    assert response.status == 422
    assert said in html.unescape(await response.text())


async def test_viewers_see_no_webhooks_as_their_urls_may_hold_secrets(new_client, stage, app):
    viewer, reader = await stage.outsider(), await new_client()
    async with stage.panel.transaction() as conn:
        await organizations.add_member(conn, app.organization_id, viewer.id, Role.VIEWER)
    await reader.sign_in(viewer)
    assert PAGE not in await reader.page("/apps/hello/settings")
    assert (await reader.get(PAGE)).status == 403


async def test_the_api_is_herokus(api, stage, app):
    made = await api.call("POST", "/apps/hello/webhooks", HOOK | {"secret": "mine"}, status=201)
    assert made.headers["Heroku-Webhook-Secret"] == "mine"
    webhook = await made.json()
    assert webhook == (await api.get("/apps/hello/webhooks"))[0] == await api.get(f"/apps/hello/webhooks/{webhook['id']}")
    await delivered(stage, app)
    [delivery] = await api.get("/apps/hello/webhook-deliveries", Range="seq ..; order=desc,max=1000")
    assert (delivery["status"], delivery["num_attempts"], delivery["last_attempt"]["code"]) == ("succeeded", 1, 200)
    assert delivery == await api.get(f"/apps/hello/webhook-deliveries/{delivery['id']}")
    assert await api.get("/apps/hello/webhook-deliveries?eq[status]=failed") == []
    [event] = await api.get("/apps/hello/webhook-events")
    assert event == await api.get(f"/apps/hello/webhook-events/{delivery['event']['id']}")
    assert event["payload"]["data"]["quantity"] == 2
    changed = await (await api.call("PATCH", f"/apps/hello/webhooks/{webhook['id']}", {"level": "notify"}, status=200)).json()
    assert (changed["level"], changed["url"]) == ("notify", HOOK["url"])
    await api.call("DELETE", f"/apps/hello/webhooks/{webhook['id']}", status=200)
    for path in (f"webhooks/{webhook['id']}", f"webhook-deliveries/{delivery['id']}", "webhooks/x"):
        await api.get(f"/apps/hello/{path}", 404)
