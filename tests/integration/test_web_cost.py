"""What each page costs: the same statements and few bytes, however much there is."""

from dataclasses import replace

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestServer
from sqlalchemy import text

from skypanel.domain.manifest import Dyno, DynoKey, DynoState
from tests.fixtures.web import HOST, SETTINGS, Client
from tests.support.crowd import crowd, used, years
from tests.support.pages import PAGES, addresses, names
from tests.support.statements import Counting
from web.app import create_app

MOST_STATEMENTS, MOST_BYTES = 24, 100_000


async def nothing():
    return []


@pytest.fixture
async def counted(stage, tmp_path):
    """The admin's browser: a function that opens a page, and returns how many statements and bytes it took."""
    database = Counting(stage.panel.database)
    server = create_app(replace(stage.panel, database=database), replace(SETTINGS, run_dir=tmp_path), findings=nothing)
    client = Client(TestServer(server), cookie_jar=CookieJar(unsafe=True), headers={"Host": HOST})
    client.app_panel = stage.panel
    async with client:
        await client.sign_in(stage.admin)

        async def cost(path):
            database.count = 0
            async with client.get(path, allow_redirects=False) as response:
                content = await response.read()
                assert response.status == 200, f"{path}: {response.status} {content.decode()}"
            return database.count, len(content)

        yield cost


async def test_each_page_takes_the_same_statements_and_few_bytes_however_much_there_is(counted, stage, app):
    async with stage.panel.transaction() as conn:
        paths = addresses(await names(conn, app.name))
        # With one of each, no page leaves a statement out.
        await conn.execute(text("INSERT INTO paas_audit_log (action, details) VALUES ('config.change', '{}')"))
    assert len(paths) == len(PAGES) > 30
    before = {path: (await counted(url))[0] for path, url in paths.items()}
    async with stage.panel.transaction() as conn:
        assert await crowd(conn, app.name) == (1_000, 10_000)
        await years(conn, 20)
        await used(conn, stage.panel.clock.now())
        ids = [row.id for row in await conn.all(text("SELECT id FROM paas_applications LIMIT 200"))]
    for app_id in ids:
        key = DynoKey(app_id, 1, 1, "web", 1)
        stage.panel.scheduler.running[key] = Dyno(key, DynoState.UP, stage.panel.clock.now())
    after = {path: await counted(url) for path, url in paths.items()}
    assert {path: statements for path, (statements, _) in after.items()} == before
    assert {path: statements for path, statements in before.items() if statements > MOST_STATEMENTS} == {}
    assert {path: size for path, (_, size) in after.items() if size > MOST_BYTES} == {}
