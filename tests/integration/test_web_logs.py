"""The page of an app's log."""

import json
from datetime import UTC, datetime, timedelta
from html import unescape
from re import findall, fullmatch, search

import pytest
from aiohttp import ClientError

from skypanel.domain.access import Role
from skypanel.domain.log import LogLine, Source
from skypanel.flow import organizations
from skypanel.flow.watching import View, open_page
from tests.support import factories
from tests.support.server_sent_events import events
from tests.support.until import until
from web.changes import Watch, Watcher
from web.keys import STREAMS

PAGE = "/apps/hello/logs"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def write(stage, app):
    async def write(*lines):
        await stage.panel.logs.append(app.id, lines)

    return write


def at(second, text, dyno="web.1", source=Source.APP):
    return LogLine(dyno, BEGIN + timedelta(seconds=second), text, source)


def shown(page):
    """Return the lines of a page, as text."""
    return [
        unescape("".join(findall(r">([^<]+)<", f">{line}<"))).split(" ", 3)[-1]
        for line in findall(r'<div id="L\d+"[^>]*>(.*?)</div>', page)
    ]


@pytest.mark.req("R7.4")
async def test_the_oldest_line_there_is_is_shown_on_every_page(admin, write):
    await write(*(at(number, f"line {number}") for number in range(250)))
    for query in ("", "?q=line", "?since=2026-01-01T00:01"):
        assert "The oldest line that there is: 2026-01-01 00:00:00 UTC." in await admin.page(PAGE + query)


async def test_an_app_without_lines_says_how_to_see_some(admin, app):
    assert "skypanel logs hello --tail" in await admin.page(PAGE)


@pytest.mark.req("R7.2")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["serving", "[ERROR] status=500", "level=warn slow", "State changed"]),
        ("?q=STATUS+500", ["[ERROR] status=500"]),
        ("?q=/s[et]/", ["serving", "[ERROR] status=500"]),
        ("?level=warning", ["[ERROR] status=500", "level=warn slow"]),
        ("?level=error", ["[ERROR] status=500"]),
        ("?source=system", ["State changed"]),
        ("?dyno=worker", ["level=warn slow"]),
        ("?since=2026-01-01T00:00:02", ["level=warn slow", "State changed"]),
        ("?until=2026-01-01T00:00:01", ["serving"]),
        ("?source=system,router", ["State changed"]),
    ],
)
async def test_lines_are_found_by_text_level_source_dyno_and_time(admin, write, query, expected):
    await write(
        at(0, "serving"),
        at(1, "[ERROR] status=500"),
        at(2, "level=warn slow", "worker.1"),
        at(3, "State changed", source=Source.SYSTEM),
    )
    assert shown(await admin.page(PAGE + query)) == expected


@pytest.mark.req("R7.2")
async def test_pages_lead_to_all_lines_and_a_line_has_a_link(admin, write):
    await write(*(at(number // 3, f"line {number}") for number in range(450)))
    newest = await admin.page(PAGE)
    assert shown(newest) == [f"line {number}" for number in range(250, 450)]
    assert "Newer" not in newest
    middle = await admin.page(link(newest, "prev"))
    assert shown(middle) == [f"line {number}" for number in range(50, 250)]
    oldest = await admin.page(link(middle, "prev"))
    assert shown(oldest) == [f"line {number}" for number in range(50)]
    assert "Older" not in oldest
    assert shown(await admin.page(link(oldest, "next"))) == shown(middle)
    linked = unescape(search(r'href="([^"#]+)#L1"', middle)[1])
    assert shown(await admin.page(linked))[:3] == ["line 48", "line 49", "line 50"]


def link(page, rel):
    return unescape(search(rf'href="([^"]+)" rel="{rel}"', page)[1])


def stream(page):
    """Return where a page says that its further lines come from: a URL, and a place; None if no more come."""
    found = search(r'role="log"[^>]* data-events="([^"]+)" data-after="([^"]*)"', page)
    return found and [unescape(value) for value in found.groups()]


async def test_the_newest_page_goes_on_by_itself_with_the_lines_that_fit_its_filter(admin, write):
    await write(at(0, "old GET"), at(0, "old POST"), at(0, "also old GET"))
    url, after = stream(await admin.page(PAGE + "?q=get&level="))
    assert url == f"{PAGE}/events?q=get"
    async with events(admin, PAGE, params={"q": "get", "after": after}) as reader:
        await write(at(0, "at the same time GET"), at(1, "POST"), at(2, "[ERROR] GET <b>"))
        (first, second), _ = await reader.lines(2)
    assert (first.text, second.text) == ("at the same time GET", "[ERROR] GET <b>")
    assert json.loads(second.data) == {
        "link": f"{PAGE}?newer=2026-01-01T00:00:02/0#L1",
        "when": "01-01 00:00:02",
        "time": "2026-01-01 00:00:02 UTC",
        "process": "web.1",
        "kind": "failure",
        "parts": [["", "[ERROR] GET <b>"]],
    }
    async with events(admin, PAGE, params={"q": "get", "after": after}, headers={"Last-Event-ID": first.id}) as reader:
        (again,), _ = await reader.lines(1)
    assert (again.text, again.id) == (second.text, second.id)


async def test_a_page_without_lines_goes_on_with_the_first(admin, app, write):
    assert stream(await admin.page(PAGE)) == [f"{PAGE}/events", ""]
    async with events(admin, PAGE) as reader:
        await write(at(0, "first"))
        assert [line.text for line in (await reader.lines(1))[0]] == ["first"]


async def test_who_may_not_see_an_app_gets_no_lines(admin, new_client, stage, write):
    await write(at(0, "serving"))
    async with stage.panel.transaction() as conn:
        account = await factories.account(conn)
    stranger = await new_client()
    await stranger.sign_in(account)
    response = await stranger.get(f"{PAGE}/events")
    assert response.status == 404
    assert "serving" not in await response.text()


async def test_lines_end_for_who_may_no_longer_see_the_app(new_client, stage, main, write):
    viewer, account = await new_client(), await stage.member(Role.VIEWER)
    await viewer.sign_in(account)
    async with events(viewer, PAGE) as reader:
        await write(at(0, "serving"))
        assert [line.text for line in (await reader.lines(1))[0]] == ["serving"]
        await organizations.remove_member(stage.panel, main, account.email, stage.admin)
        assert await reader.read() is None


async def test_lines_end_for_who_could_no_longer_see_the_app_when_they_began(stage, app):
    async with stage.panel.transaction() as conn:
        account = await factories.account(conn)
    watch = Watch(open_page("ended", app.id), account, View(frozenset({app.id})))
    with Watcher().told(stage.panel, watch):
        await until(lambda: watch.is_over and watch.changed.is_set())


@pytest.mark.parametrize("query", ["?until=2026-01-01T00:10", "?until=x", "?q=/(/"])
async def test_a_page_that_ends_does_not_go_on(admin, write, query):
    await write(at(0, "serving"))
    response = await admin.get(PAGE + query)
    assert stream(await response.text()) is None


async def test_a_page_in_the_middle_does_not_go_on(admin, write):
    await write(*(at(number, f"line {number}") for number in range(201)))
    assert stream(await admin.page(link(await admin.page(PAGE), "prev"))) is None


async def test_a_filter_that_cannot_be_read_ends_a_stream(admin, app):
    assert (await admin.get(f"{PAGE}/events?q=/(/")).status == 422


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?q=/(/", "This is not a regular expression: ("),
        ("?since=soon", "This is not a time: &#39;soon&#39;"),
        ("?since=0001-01-01T00:00%2B23:59", "This is not a time: "),
        ("?since=1h&until=2h", "The time range ends before it begins."),
        ("?level=none", "There is no level &#39;none&#39;."),
        ("?source=none", "There is no source &#39;none&#39;."),
        ("?dyno=web.x", "This is not a dyno: &#39;web.x&#39;"),
        (f"?q={'a' * 201}", "The search is too long."),
        ("?q=/%3Cb%3E(/", "This is not a regular expression: &lt;b&gt;("),
    ],
)
async def test_a_filter_that_cannot_be_read_is_explained(admin, app, query, said):
    response = await admin.get(PAGE + query)
    assert response.status == 422
    assert said in await response.text()


@pytest.mark.parametrize(
    "place",
    ["?older=x", "?older=2026-01-01/x", "?newer=2026-13-01/1", "?older=2026-01-01T00:00:00/9999999", "?newer=0001-01-01T00:00%2B23:59/1"],
)
async def test_a_place_that_is_none_is_the_newest_page(admin, write, place):
    await write(at(0, "serving"))
    assert shown(await admin.page(PAGE + place)) == ["serving"]


async def test_lines_cannot_pass_for_html(admin, write):
    await write(at(0, "<script>alert(1)</script> \x1b[31mred\x1b[0m"))
    page = await admin.page(PAGE)
    assert "<script>alert" not in page
    assert '<span class="c1">red</span>' in page


HISTOGRAM = f"{PAGE}/histogram"
DOWNLOAD = f"{PAGE}/download"


def bars(page):
    """Return the texts of the bars of lines."""
    return findall(r'<rect class="bar lines"[^>]*><title>([^<]+)</title>', page)


async def test_a_histogram_counts_lines_and_errors_over_the_time_of_the_filter(admin, write):
    await write(at(1, "one"), at(1, "[ERROR] two"), at(61, "three"), at(3600, "later"))
    page = await admin.page(f"{HISTOGRAM}?since=2026-01-01T00:00&until=2026-01-01T00:30")
    assert bars(page) == ["2026-01-01 00:00:00 UTC: 2 lines, 1 error", "2026-01-01 00:01:00 UTC: 1 line, 0 errors"]
    assert len(findall('<rect class="bar failures"', page)) == 1
    assert "3 lines, 1 of them errors" in page
    url = unescape(search(r'<td><a href="([^"]+)">2026-01-01 00:01:00 UTC', page)[1])
    assert shown(await admin.page(url)) == ["three"]


async def test_a_histogram_has_the_conditions_of_the_page(admin, write):
    await write(at(1, "one"), at(2, "two"))
    page = await admin.page(f"{PAGE}?q=two&since=2026-01-01T00:00&until=2026-01-01T00:01&older=2026-01-01T00:00:02/0")
    url = unescape(search(r'data-histogram="([^"]+)"', page)[1])
    histogram = await admin.page(url)
    assert bars(histogram) == ["2026-01-01 00:00:02 UTC: 1 line, 0 errors"]
    assert shown(await admin.page(unescape(search(r'<a href="([^"]+)">The lines themselves', histogram)[1]))) == ["two"]


async def test_without_a_time_the_last_hour_is_counted(admin, stage, write):
    now = stage.panel.clock.now()
    await write(LogLine("web.1", now - timedelta(minutes=59), "in"), LogLine("web.1", now - timedelta(minutes=90), "out"))
    assert len(bars(await admin.page(HISTOGRAM))) == 1


@pytest.mark.parametrize("times", ["since=0001-01-01", "until=9999-12-31", "since=9999-12-30&until=9999-12-31", "until=0001-01-01"])
async def test_any_time_can_be_counted(admin, write, times):
    await write(at(1, "one"))
    assert 'id="histogram"' in await admin.page(f"{HISTOGRAM}?{times}")


async def test_a_filter_that_cannot_be_read_is_not_counted_or_downloaded(admin, app):
    for url in (HISTOGRAM, DOWNLOAD):
        for wrong in ("q=/(/", "since=soon", "level=bad"):
            assert (await admin.get(f"{url}?{wrong}")).status == 422


async def test_all_lines_of_the_filter_can_be_downloaded_as_text(admin, write):
    await write(*(at(number, f"\x1b[31mline\x1b[0m {number}") for number in range(450)), at(450, "other"))
    page = await admin.page(f"{PAGE}?q=line&older=2026-01-01T00:00:02/0")
    response = await admin.get(unescape(search(r'href="([^"]+)" class="button secondary" download', page)[1]))
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert fullmatch(r'attachment; filename="hello-\d{4}-\d\d-\d\dT\d{6}Z\.log"', response.headers["Content-Disposition"])
    expected = [f"{LogLine('web.1', BEGIN + timedelta(seconds=number), f'line {number}')}" for number in range(450)]
    assert (await response.text()).splitlines() == expected
    assert await (await admin.get(f"{DOWNLOAD}?q=nothing")).text() == ""


async def test_a_download_ends_early_for_who_may_no_longer_see_the_app(new_client, stage, main, write):
    viewer, account = await new_client(), await stage.member(Role.VIEWER)
    await viewer.sign_in(account)
    # More than the connection buffers: it goes on only as far as it is read.
    await write(*(at(number, "x" * 16_000) for number in range(5000)))
    async with viewer.get(DOWNLOAD) as response:
        await response.content.readexactly(1000)
        await organizations.remove_member(stage.panel, main, account.email, stage.admin)
        await until(lambda: not viewer.app[STREAMS])
        with pytest.raises(ClientError):
            await response.read()
