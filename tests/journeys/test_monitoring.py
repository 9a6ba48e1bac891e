"""A monitoring system reads the state of a running panel."""

import subprocess

from prometheus_client.parser import text_string_to_metric_families

from tests.journeys.harness import wait_for

TOKEN = "token-of-the-monitoring"
OWN = {"up", "launcher", "supervisord", "postgres", "valkey", "traefik", "receiver", "web", "worker", "schedule", "shipper"}


def scraped(panel, token=TOKEN):
    """Return the status of /metrics, and its samples by name, app and process."""
    answer = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--max-time", "60", "--insecure"),
            *("--header", f"Authorization: Bearer {token}", "--write-out", "\n%{http_code}"),
            *("--resolve", f"skypanel.localhost:{panel.ports[2]}:127.0.0.1", f"https://skypanel.localhost:{panel.ports[2]}/metrics"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    body, _, status = answer.rpartition("\n")
    if status != "200":
        return int(status), {}
    samples = (sample for family in text_string_to_metric_families(body) for sample in family.samples)
    return 200, {(each.name, each.labels.get("app") or each.labels.get("process")): each.value for each in samples}


def test_a_monitoring_system_sees_the_apps_and_the_panels_processes(panel):
    panel.repository("python-plain").push("watched")
    assert scraped(panel)[0] == 403
    panel.cli("settings", "set", "metrics_token", stdin=f"{TOKEN}\n")

    def running():
        status, found = scraped(panel)
        assert status == 200
        return found.get(("skypanel_app_dynos_running", "watched")) == 1 and found

    found = wait_for("the dyno is measured", running, 120)
    assert found["skypanel_app_dynos_wanted", "watched"] == 1
    assert found["skypanel_app_memory_bytes", "watched"] > 1_000_000
    assert {name for metric, name in found if metric == "skypanel_process_memory_bytes"} == OWN
    assert found["skypanel_process_cpu_seconds_total", "web"] > 0
    assert found["skypanel_process_memory_bytes", "postgres"] > 1_000_000
    assert scraped(panel, "another-token-of-it")[0] == 403
