"""The log of a deploy: as a page, as plain text and as events, while it runs and afterwards."""

import asyncio
import html
import json
import re

import pytest
from aiohttp import ClientPayloadError

from skypanel.domain import terminal
from skypanel.domain.output import build_stream, rollout_stream
from skypanel.flow import apps as apps_flow
from skypanel.flow import build as build_flow
from skypanel.flow import release as release_flow
from skypanel.flow import rollout as rollout_flow
from skypanel.store import releases, rollouts
from tests.support import factories
from tests.support.server_sent_events import events
from tests.support.until import until
from web.keys import STREAMS
from web.live import MANY_LINES


def log_of(page):
    """Return the lines that a page shows, where its rest is, and after which place."""
    text, *_ = page.partition('role="log"')[2].partition("\n</div>")
    lines = [html.unescape(re.sub(r"<[^>]+>", "", line)) for line in re.findall(r"<div[^>]*>(.*?)</div>", text)]
    place = re.search(r'data-after="([^"]+)"', text)
    return lines, place and place[1]


class Pusher:
    """A build whose lines a test writes one by one."""

    def __init__(self, stage, app, build):
        self.stage, self.app, self.build = stage, app, build
        self.url = f"/apps/{app.name}/deploys/{build.id}"
        self.stream = build_stream(build.id)
        self._more = asyncio.Queue()
        self._run = stage.panel.builder.run

    async def run(self, step, write, stdin=None):
        while "compile" in " ".join(step.argv) and (line := await self._more.get()) is not None:
            await write(line)
        return await self._run(step, write, stdin)

    async def write(self, *lines):
        """Have the build print lines, and wait until they are out."""
        for line in lines:
            self._more.put_nowait(line)
        await until(lambda: terminal.clean(lines[-1]) in self.stage.panel.output.texts(self.stream))

    def end(self):
        self._more.put_nowait(None)


@pytest.fixture
async def pusher(stage):
    """A push whose build prints what it is told; the workers wait for the rest of it."""
    app = await stage.app("hello")
    pusher = Pusher(stage, app, await stage.push(app))
    stage.panel.builder.run = pusher.run
    building = asyncio.create_task(build_flow.work(stage.panel, "builder"))
    yield pusher
    pusher.end()
    await building
    await rollout_flow.work(stage.panel, "worker")


async def finish(pusher):
    pusher.end()

    async def built():
        async with pusher.stage.panel.transaction() as conn:
            return await releases.of_build(conn, pusher.build.id)

    await until(built)
    await rollout_flow.work(pusher.stage.panel, "worker")


async def text_of(client, path):
    response = await client.get(path)
    assert response.status == 200
    return await response.text()


@pytest.mark.req("R2.3")
async def test_a_build_and_its_rollout_are_shown_line_by_line_to_the_end(admin, pusher):
    async with events(admin, pusher.url) as stream:
        await pusher.write("fetching", "\x1b[32mgreen\x1b[0m")
        first, _ = await stream.lines(count=3)
        assert [event.text for event in first] == ["-----> Python app detected", "fetching", "green"]
        assert [event.id for event in first] == [f"{pusher.stream}:1-{number}" for number in (1, 2, 3)]
        assert json.loads(first[2].data) == ["", [["c2", "green"]]]
        await finish(pusher)
        rest, ended = await stream.lines()
    assert ended == "live"
    texts = [event.text for event in rest]
    assert "-----> Launching..." in texts
    assert texts[-1] == "Verifying deploy... done."
    async with pusher.stage.panel.transaction() as conn:
        rollout = await rollouts.newest_release(conn, pusher.app.id)
    assert rest[-1].id.startswith(f"{rollout_stream(rollout.id)}:1-")
    all_of_it = log_of(await text_of(admin, pusher.url))
    assert all_of_it == ([event.text for event in first + rest], None)


async def test_a_reload_at_any_moment_loses_and_repeats_nothing(admin, pusher):
    async with events(admin, pusher.url) as stream:
        await pusher.write(*(f"line {number}" for number in range(5)))
        seen, _ = await stream.lines(count=4)
    # The page as it is loaded anew, and what a script goes on with from there.
    lines, place = log_of(await text_of(admin, pusher.url))
    await pusher.write("after the reload")
    async with events(admin, pusher.url, params={"after": place}) as stream:
        later, _ = await stream.lines(count=1)
        assert lines == ["-----> Python app detected", *(f"line {number}" for number in range(5))]
        assert [event.text for event in later] == ["after the reload"]
    # A browser that lost its connection and comes back by itself; the older place in the address does not count.
    async with events(admin, pusher.url, params={"after": place}, headers={"Last-Event-ID": seen[-1].id}) as stream:
        resumed, _ = await stream.lines(count=2)
        assert [event.text for event in resumed] == ["line 3", "line 4"]
        await finish(pusher)
        rest, ended = await stream.lines()
    assert ended == "live"
    # And again in the middle of the rollout.
    middle = next(index for index, event in enumerate(rest) if event.id.startswith("rollout/"))
    async with events(admin, pusher.url, headers={"Last-Event-ID": rest[middle].id}) as stream:
        again, ended = await stream.lines()
    assert (again, ended) == (rest[middle + 1 :], "live")


async def test_a_build_that_fails_says_so(admin, pusher):
    pusher.stage.panel.builder.answer("compile", code=1)
    async with events(admin, pusher.url) as stream:
        await pusher.write("oh dear")
        pusher.end()
        found, ended = await stream.lines()
    assert ended == "failed"
    assert found[-2].text.startswith(" !     ")
    assert json.loads(found[-1].data)[0] == "failure"

    async def failed():
        return 'class="state failed">failed' in await admin.page(pusher.url)

    await until(failed)


async def test_a_silent_log_shows_signs_of_life(admin, pusher):
    async with events(admin, pusher.url) as stream:
        await pusher.write("one line")
        await stream.lines(count=2)
        waiting = asyncio.create_task(stream.read())
        await until(lambda: stream.beats >= 3)
        await pusher.write("another")
        assert (await waiting).text == "another"


@pytest.mark.req("R2.5")
async def test_while_an_app_deploys_its_page_streams_the_log(admin, pusher):
    await pusher.write("so far")
    page = await text_of(admin, "/apps/hello")
    assert "Deploying" in page
    assert f'href="{pusher.url}"' in page
    lines, place = log_of(page)
    assert lines[-1] == "so far"
    assert f'data-events="{pusher.url}/events"' in page
    async with events(admin, pusher.url, params={"after": place}) as stream:
        await finish(pusher)
        rest, ended = await stream.lines()
    assert ended == "live"
    assert rest[0].text == "-----> Discovering process types"
    assert 'role="log"' not in await text_of(admin, "/apps/hello")


async def test_a_rollback_has_a_log_of_its_own(admin, stage):
    app = await stage.app("hello")
    await stage.push(app)
    await stage.work()
    app = await apps_flow.access(stage.panel, stage.admin, "hello", apps_flow.Action.VIEW_APP)
    await release_flow.roll_back(stage.panel, app, 1, stage.admin)
    page = await text_of(admin, "/apps/hello/releases/2")
    assert log_of(page)[0] == []
    assert "launching" in page
    async with events(admin, "/apps/hello/releases/2") as stream:
        await rollout_flow.work(stage.panel, "worker")
        found, ended = await stream.lines()
    assert ended == "live"
    assert [event.text for event in found][:2] == ["-----> Launching...", "       Released v2"]
    assert "Rollback to v1" in await text_of(admin, "/apps/hello/releases/2")


async def test_what_a_program_prints_is_never_markup(admin, pusher):
    await pusher.write("<script>alert(1)</script>\x1b[31m<img src=x onerror=alert(2)>")
    page = await text_of(admin, pusher.url)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_of_a_long_log_the_page_shows_the_end_and_the_text_all(admin, pusher):
    await pusher.write(*(f"line {number}" for number in range(MANY_LINES + 500)))
    lines, place = log_of(await text_of(admin, pusher.url))
    assert len(lines) == MANY_LINES
    assert lines[-1] == f"line {MANY_LINES + 499}"
    assert "501 earlier lines are not shown" in await text_of(admin, pusher.url)
    assert place == f"{pusher.stream}:1-{MANY_LINES + 501}"
    text = await admin.get(f"{pusher.url}/log")
    assert text.content_type == "text/plain"
    assert (await text.text()).splitlines()[1:4] == ["line 0", "line 1", "line 2"]


@pytest.mark.parametrize(
    "place",
    ["", "nonsense", "build/1:1-1", "1-1", f"rollout/{'0' * 8}-0000-0000-0000-{'0' * 12}:1-1", f"rollout/{'-' * 36}:1-1", "é", "9" * 999],
)
async def test_a_place_that_is_none_begins_at_the_beginning(admin, pusher, place):
    await pusher.write("the first")
    async with events(admin, pusher.url, params={"after": place}) as stream:
        found, _ = await stream.lines(count=2)
    assert [event.text for event in found] == ["-----> Python app detected", "the first"]


async def test_a_place_in_another_apps_rollout_shows_nothing_of_it(admin, stage, pusher):
    await pusher.write("the first")
    other = await stage.app("other")
    async with stage.panel.transaction() as conn:
        release = await factories.release(conn, other)
        foreign = await rollouts.add(conn, other.id, release.id, "release")
    async with events(admin, pusher.url, params={"after": f"{rollout_stream(foreign.id)}:0-0"}) as stream:
        found, _ = await stream.lines(count=1)
    assert found[0].text == "-----> Python app detected"


async def test_a_browser_that_goes_away_leaves_nothing_behind(admin, dashboard, pusher):
    async with events(admin, pusher.url) as stream:
        await pusher.write("one line")
        await stream.lines(count=2)
        assert len(dashboard[STREAMS]) == 1
        stream.response.close()
    await until(lambda: not dashboard[STREAMS])


async def test_a_dashboard_that_stops_does_not_wait_for_its_readers(admin, dashboard, pusher):
    async with events(admin, pusher.url) as stream:
        await pusher.write("one line")
        await stream.lines(count=2)
        async with asyncio.timeout(60):
            await dashboard.shutdown()
            with pytest.raises(ClientPayloadError):
                await stream.read()
