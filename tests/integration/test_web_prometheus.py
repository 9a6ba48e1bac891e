"""What a monitoring system reads of the panel, by hand and by a real Prometheus."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from skypanel.domain.monitoring import MOST_APPS, ProcessUse
from skypanel.domain.node import SecretKind, SshLogin
from skypanel.domain.report import DynoUse, Report
from skypanel.flow import metrics, monitoring, settings
from skypanel.store import nodes
from tests.fixtures.prometheus import running_prometheus
from tests.fixtures.web import HOST, SETTINGS, serving
from tests.support.statements import Counting
from tests.support.until import until
from web.app import create_app

SECRET = "a-token-of-the-monitoring"
SCRAPES = """
scrape_configs:
  - job_name: skypanel
    scrape_interval: 2s
    scrape_timeout: 2s
    static_configs: [{{targets: ["{host}"]}}]
    proxy_url: http://127.0.0.1:{port}
    authorization: {{credentials: "{token}"}}
"""
MANY_APPS = """
    INSERT INTO paas_applications (name, organization_id, plan_version_id)
    SELECT 'app-' || to_char(n, 'FM00000'), a.organization_id, a.plan_version_id
    FROM generate_series({first}, {last}) n, paas_applications a WHERE a.name = 'hello'
"""


@pytest.fixture
async def token(stage):
    await settings.change(stage.panel, stage.admin, {"metrics_token": SECRET})
    return SECRET


async def read(client, token=SECRET, status=200):
    """Return the samples, by name and values of labels."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with client.get("/metrics", headers=headers) as response:
        body = await response.text()
        assert response.status == status, body
        assert status != 200 or response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    if status != 200:
        return body
    return {(each.name, *each.labels.values()): each.value for family in text_string_to_metric_families(body) for each in family.samples}


async def use(stage, app, *dynos):
    stage.panel.metrics.uses = [DynoUse(app.id, name, 0.25, 50_000_000) for name in dynos]
    await metrics.sample(stage.panel)


@pytest.mark.parametrize("given", ["", "wrong", f"{SECRET}x", SECRET[:-1], "ünïcode"])
async def test_without_the_token_nothing_is_told(client, token, given):
    assert "Send the value of the setting metrics_token" in await read(client, given, 403)


@pytest.mark.parametrize("given", ["", "anything"])
async def test_without_the_setting_nobody_is_let_in(client, given):
    await read(client, given, 403)


async def test_an_administrators_session_is_no_token(admin, token):
    await read(admin, "", 403)


async def test_the_totals_the_queues_and_the_apps_are_told(client, stage, app, token):
    await use(stage, app, "web.1", "web.2")
    found = await read(client)
    assert found["skypanel_apps",] == found["skypanel_organizations",] == found["skypanel_accounts",] == 1
    [organization] = {key[2] for key in found if key[0] == "skypanel_app_cpu_cores"}
    assert found["skypanel_app_dynos_wanted", "hello", organization] == 1
    assert found["skypanel_app_dynos_running", "hello", organization] == 2
    assert found["skypanel_app_cpu_cores", "hello", organization] == 0.5
    assert found["skypanel_app_memory_bytes", "hello", organization] == 100_000_000
    assert found["skypanel_queue_jobs", "build", "waiting"] == found["skypanel_queue_oldest_seconds", "build"] == 0
    await stage.push(app, "second")
    found = await read(client)
    assert found["skypanel_queue_jobs", "build", "waiting"] == 1
    assert found["skypanel_queue_oldest_seconds", "build"] > 0
    assert found["skypanel_queue_jobs", "rollout", "waiting"] == found["skypanel_queue_jobs", "build", "running"] == 0


async def test_a_dyno_that_is_measured_no_longer_does_not_run(client, stage, app, token):
    names = {}
    for number in range(8):
        # A quarter of an hour ends somewhere in between, wherever this begins.
        stage.panel.clock.advance(120 + 10 * number)
        await use(stage, app, "web.1")
        stage.panel.clock.advance(20)
        names[number] = {key[0]: value for key, value in (await read(client)).items() if key[1:2] == ("hello",)}
    assert {each["skypanel_app_dynos_running"] for each in names.values()} == {1}
    stage.panel.clock.advance(41)
    found = {key[0]: value for key, value in (await read(client)).items() if key[1:2] == ("hello",)}
    assert found["skypanel_app_dynos_running"] == found["skypanel_app_cpu_cores"] == found["skypanel_app_memory_bytes"] == 0


async def test_nodes_and_processes_are_told(client, stage, token):
    login = SshLogin("10.9.9.9", 22, "root", "ssh-ed25519 AAAA", SecretKind.KEY, "")
    report = Report(8.0, 1.5, 16_000, 4_000, 100_000, 30_000, 3)
    async with stage.panel.transaction() as conn:
        node = await nodes.add(conn, "east", login, b"secret")
        await nodes.record_heartbeat(conn, node.id, report)
    stage.panel.processes.uses = [ProcessUse("postgres", 12.5, 30_000_000), ProcessUse("web", 3.25, 80_000_000)]
    found = await read(client)
    told = {key[0]: value for key, value in found.items() if key[1:] == ("east",)}
    assert told.pop("skypanel_node_heartbeat_timestamp_seconds") > 0
    assert told == {
        "skypanel_node_cpu_cores": 8.0,
        "skypanel_node_cpu_used_cores": 1.5,
        "skypanel_node_memory_bytes": 16_000,
        "skypanel_node_memory_used_bytes": 4_000,
        "skypanel_node_disk_bytes": 100_000,
        "skypanel_node_disk_used_bytes": 30_000,
    }
    assert [key[2] for key, value in found.items() if key[:2] == ("skypanel_node_state", "east") and value] == [node.state]
    assert found["skypanel_process_cpu_seconds_total", "web"] == 3.25
    assert found["skypanel_process_memory_bytes", "postgres"] == 30_000_000


async def test_names_are_quoted(client, stage, token):
    await stage.app("rocket")
    async with stage.panel.transaction() as conn:
        await conn.execute(text("UPDATE paas_organizations SET name = E'a\"b\\\\c'"))
    assert (await read(client))["skypanel_app_dynos_wanted", "rocket", 'a"b\\c'] == 0


async def test_it_takes_the_same_statements_however_many_apps_there_are(stage, app, token):
    counting = Counting(stage.panel.database)
    panel = replace(stage.panel, database=counting)
    counts, listed, before = [], [], 1
    for number in (10, 100, 1_000, 10_000, MOST_APPS + 5):
        async with stage.panel.transaction() as conn:
            await conn.execute(text(MANY_APPS.format(first=before + 1, last=number)))
        before, counting.count = number, 0
        found = await monitoring.read(panel, token)
        counts.append(counting.count)
        listed.append(len(found.apps))
        assert found.figures.apps == number
    assert set(counts) == {5}
    assert listed == [10, 100, 1_000, 10_000, MOST_APPS]
    # The oldest stay listed.
    assert "hello" in {each.name for each in found.apps}


async def test_prometheus_scrapes_it(stage, app, token, tmp_path):
    await use(stage, app, "web.1")
    (tmp_path / "proxy").mkdir()
    async with serving(create_app(stage.panel, replace(SETTINGS, run_dir=tmp_path)), stage.panel) as new:
        port = (await new()).port
        right = SCRAPES.format(host=HOST, port=port, token=token)
        with running_prometheus(tmp_path / "right", right) as prometheus:

            async def scraped():
                return await asyncio.to_thread(prometheus.query, "skypanel_app_memory_bytes")

            [(labels, value)] = (await until(scraped)).items()
            assert (dict(labels)["app"], value) == ("hello", 50_000_000)
        with running_prometheus(tmp_path / "wrong", SCRAPES.format(host=HOST, port=port, token="not-the-token-of-it")) as prometheus:

            async def refused():
                return "403 Forbidden" in await asyncio.to_thread(prometheus.error)

            await until(refused)
