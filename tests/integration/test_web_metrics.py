"""The page of an app's metrics, and what the API answers."""

import json
import re
from datetime import timedelta
from html import unescape

import pytest

from skypanel.domain.metrics import FINE, QUARTERS
from skypanel.domain.report import DynoUse
from skypanel.flow import metrics
from web.pages.app_metrics import LINES


async def sampled(stage, app, *names, rounds=3):
    for round_ in range(rounds):
        stage.panel.metrics.uses = [
            DynoUse(app.id, name, 0.25 * (number + 1), (number + 1) * 10_000_000, 2500.0, 500.0, None, round_)
            for number, name in enumerate(names)
        ]
        await metrics.sample(stage.panel)
        stage.panel.clock.advance(20)
    stage.panel.clock.advance(-20)


async def page(browser, query=""):
    async with browser.get(f"/apps/hello/metrics{query}") as response:
        return response.status, await response.text()


def plots(text):
    """Return the lines of each chart, by its unit and title."""
    found = re.findall(
        r'<div class="plot" data-lines="([^"]*)" data-unit="([^"]*)"(?: data-limit="([^"]*)")? role="img" aria-label="(\w+)', text
    )
    return {title: (unit, limit, json.loads(unescape(lines))) for lines, unit, limit, title in found}


@pytest.mark.req("R2.2", "R7.3")
async def test_the_page_has_a_chart_with_the_plans_limit_and_a_table(admin, stage, app):
    await sampled(stage, app, "web.1", "worker.1")
    status, text = await page(admin)
    assert status == 200
    found = plots(text)
    assert list(found) == ["CPU", "Memory", "Received", "Sent"]
    unit, limit, lines = found["Memory"]
    assert (unit, float(limit)) == ("MB", round(app.plan.memory_bytes / 1_000_000, 1))
    assert [(name, values[-1]) for name, values in lines] == [("web.1", 10.0), ("worker.1", 20.0)]
    assert found["Received"][:2] == ("kB/s", "")
    axis = json.loads(unescape(re.search(r'data-axis="([^"]*)"', text)[1]))
    assert len(axis["times"]) == len(lines[0][1]) == 180
    assert ["web.1 crashed", "incident"] in [[mark[2], mark[1]] for mark in axis["marks"]]
    row = re.search(r"<strong>worker\.1</strong>.*?</tr>", text, re.DOTALL)[0]
    assert re.findall(r">([0-9.]+)</td>", row) == ["0.50", "0.50", "0.50", "20.0", "20.0", "2.5", "0.5", "2"]


async def test_a_chart_has_the_dynos_with_the_highest_values(admin, stage, app):
    await sampled(stage, app, *(f"web.{number}" for number in range(1, LINES + 3)))
    _, text = await page(admin, "?range=24h")
    lines = plots(text)["CPU"][2]
    assert len(lines) == LINES
    assert "web.2" not in {name for name, _ in lines}
    assert "2 more dynos with lower values are in the table only" in text
    assert "<strong>web.2</strong>" in text


async def test_an_app_without_values_says_when_they_come(admin, app):
    status, text = await page(admin, "?range=7d")
    assert status == 200
    assert "Nothing measured in the last 7 days" in text
    assert 'href="/apps/hello/metrics?range=7d" aria-current="true"' in text


async def test_an_unknown_range_is_refused(admin, api, app):
    status, text = await page(admin, "?range=<script>")
    assert status == 422
    assert "<script>'" not in text
    assert "is not a range of metrics" in text


async def test_names_of_dynos_and_descriptions_are_inert(admin, stage, app):
    await sampled(stage, app, '"><script>alert(1)</script>')
    _, text = await page(admin)
    assert "<script>alert" not in text


async def test_the_api_returns_arrays_of_values(api, hello):
    await sampled(api.stage, hello, "web.1")
    body = await api.get("/apps/hello/metrics?range=1h")
    (dyno,) = body["dynos"]
    assert (body["range"], body["step_seconds"], dyno["name"]) == ("1h", 20, "web.1")
    assert len(dyno["cpu_cores"]) == 180
    assert [dyno[name][-1] for name in ("cpu_cores", "memory_bytes", "disk_bytes", "restarts")] == [0.25, 10_000_000, None, 2]
    assert body["limits"] == {"cpu_cores": hello.plan.cpu_cores, "memory_bytes": hello.plan.memory_bytes}
    assert "crashed" in body["marks"][-1]["text"]
    assert (await api.get("/apps/hello/metrics?range=1y", 422))["id"] == "invalid_params"


async def test_the_list_of_apps_has_a_line_for_each_app_that_was_measured(admin, stage, app):
    await stage.app("quiet")
    began = QUARTERS.begin(stage.panel.clock.now()) + timedelta(days=1)
    stage.panel.clock.advance((began - stage.panel.clock.now()).total_seconds())
    for quarter in range(1, 3):
        stage.panel.metrics.uses = [DynoUse(app.id, "web.1", 0.25 * quarter, 1)]
        await metrics.sample(stage.panel)
        stage.panel.clock.advance((began + quarter * FINE.span - stage.panel.clock.now()).total_seconds())
    stage.panel.clock.advance(metrics.LATE.total_seconds())
    await metrics.roll_up(stage.panel)
    async with admin.get("/apps") as response:
        text = await response.text()
    rows = dict(re.findall(r'<tr id="app-(\w+)">(.*?)</tr>', text, re.DOTALL))
    assert re.findall(r'<svg class="spark".*? aria-label="([^"]*)"><path d="([^"]*)"/>', rows["hello"]) == [
        ("0.38 cores of CPU, at most 0.38", "M94 1.0h0")
    ]
    assert "<svg" not in rows["quiet"]
