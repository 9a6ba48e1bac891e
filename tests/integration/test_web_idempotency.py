"""The same form, sent twice, has its effect once."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from skypanel.flow import garbage
from tests.fixtures.web import ORIGIN
from tests.integration.test_web_apps import live


async def form(client, page):
    shown = await client.page(page)
    return {name: re.search(rf'name="{name}" value="([^"]+)"', shown)[1] for name in ("form_token", "idempotency_key")}


async def post(client, path, fields):
    return await client.post(path, data=fields, headers={"Origin": ORIGIN}, allow_redirects=False)


async def restarts(stage, app):
    async with stage.panel.transaction() as conn:
        statement = text("SELECT count(*) AS count FROM paas_rollouts WHERE app_id = :app AND reason = 'restart'")
        return (await conn.first(statement.bindparams(app=app.id))).count


async def test_a_double_click_does_it_once_and_both_are_answered(admin, stage):
    app = await live(stage)
    fields = await form(admin, "/apps/hello")
    answers = await asyncio.gather(*(post(admin, "/apps/hello/restart", fields) for _ in range(2)))
    assert [(each.status, each.headers["Location"]) for each in answers] == [(303, "/apps/hello")] * 2
    assert await restarts(stage, app) == 1
    assert "restarts without a failed request" in await admin.page("/apps/hello")
    # Back, and sent again later.
    again = await post(admin, "/apps/hello/restart", fields)
    assert (again.status, await restarts(stage, app)) == (303, 1)
    # The page anew is another form.
    await post(admin, "/apps/hello/restart", await form(admin, "/apps/hello"))
    assert await restarts(stage, app) == 2


async def test_a_form_that_failed_can_be_sent_again(admin, stage):
    await live(stage)
    fields = await form(admin, "/apps/hello/settings") | {"do": "rename", "name": "Bad Name"}
    assert (await post(admin, "/apps/hello/settings", fields)).status == 422
    assert (await post(admin, "/apps/hello/settings", fields | {"name": "good"})).status == 303


async def test_what_was_answered_by_a_page_is_not_done_again(admin):
    page = "/account/tokens"
    fields = await form(admin, page) | {"description": "ci", "scope": "global", "days": ""}
    first = await post(admin, page, fields)
    assert first.status == 200
    second = await post(admin, page, fields)
    assert second.status == 409
    assert "This form was sent already." in await second.text()


async def test_keys_are_forgotten_after_a_day(admin, stage):
    app = await live(stage)
    fields = await form(admin, "/apps/hello")
    await post(admin, "/apps/hello/restart", fields)
    # The database has its own clock.
    stage.panel.clock.advance((datetime.now(UTC) - stage.panel.clock.now() + timedelta(days=2)).total_seconds())
    await garbage.collect(stage.panel)
    await post(admin, "/apps/hello/restart", fields)
    assert await restarts(stage, app) == 2
