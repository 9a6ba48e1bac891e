"""Starting, stopping and starting again; two panels on one machine; the commands of the machine."""

import asyncio
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from skypanel.bootstrap import open_panel
from skypanel.settings import sources
from skypanel.store import audit
from tests.journeys.harness import new_panel, wait_for
from tests.journeys.leftovers import expect_nothing_left

APPS = [f"app-{number}" for number in range(10)]
# On a quiet machine it takes less than 15 s; other tests run beside this one.
SECOND_START_S = 120
NOBODY = 65534


def test_ten_apps_answer_by_themselves_after_the_second_start_and_nothing_is_left_behind():
    with new_panel() as panel:
        panel.up()
        repository = panel.repository("python-plain")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(repository.push, APPS))
        panel.down()
        expect_nothing_left(panel.home / "panel")
        started = time.monotonic()
        panel.start()
        for app in APPS:
            wait_for(app, lambda app=app: panel.answers(app), SECOND_START_S)
        assert time.monotonic() - started < SECOND_START_S
        panel.down()
        expect_nothing_left(panel.home / "panel")


def test_two_panels_run_side_by_side(panel):
    panel.repository("python-plain").push("twin")
    with new_panel() as other:
        other.up()
        repository = other.repository("python-plain")
        repository.edit("app.py", "Hello from SkyPanel", "the other one")
        repository.commit("Another")
        repository.push("twin")
        assert panel.get("twin").body == "Hello from SkyPanel\n"
        assert other.get("twin").body == "the other one\n"
    assert panel.get("twin").status == 200


def test_without_root_a_push_goes_live_too():
    with new_panel(user=NOBODY) as panel:
        panel.up()
        repository = panel.repository("python-flask")
        assert "Verifying deploy... done." in repository.push("modest")
        assert panel.get("modest").body == "Hello from Flask\n"
        panel.cli("config", "modest", "--set", "KEY=value")
        panel.cli("scale", "modest", "web=2")
        assert panel.get("modest").status == 200
        panel.down()
        expect_nothing_left(panel.home / "panel")


def test_a_panel_that_was_killed_starts_again_with_its_apps():
    with new_panel() as panel:
        panel.up()
        panel.repository("python-plain").push("survivor")
        panel.process.send_signal(signal.SIGKILL)
        panel.process.wait(60)
        panel.down()
        panel.up()
        wait_for("the app", lambda: panel.get("survivor").status == 200, 60)
        panel.down()
        expect_nothing_left(panel.home / "panel")


def test_the_first_run_makes_a_token_and_a_link_that_signs_in_once(panel):
    token = panel.home / "panel" / "token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text().strip()
    assert panel.banner_says("/login?token=")
    assert panel.banner_says("SHA256:")


def test_doctor_finds_nothing_wrong_with_a_panel_that_runs(panel):
    report = panel.cli("doctor", check=False)
    assert report.returncode == 0, report.stdout


@pytest.mark.req("R4.5")
@pytest.mark.req("R12.1")
def test_rotated_keys_leave_apps_and_their_config_vars_alone(panel):
    panel.repository("python-plain").push("rotated")
    panel.cli("config", "rotated", "--set", "KEPT=a secret")
    keys = panel.home / "panel" / "keys" / "encryption.keys"
    before = keys.read_text().split()
    assert "encrypted with a new key" in panel.cli("rotate-keys").stdout
    after = keys.read_text().split()
    assert after[0] not in before
    panel.cli("restart", "rotated")
    assert panel.get("rotated", "/env?key=KEPT").body.strip() == "a secret"
    panel.cli("config", "rotated", "--set", "NEW=another")
    assert panel.get("rotated", "/env?key=NEW").body.strip() == "another"


async def newest_deeds(panel, count):
    async with open_panel(sources.load(panel.environment)) as opened, opened.transaction() as conn:
        return [(entry.action, entry.origin) for entry in await audit.recent(conn, count)]


def test_keys_and_tokens_are_made_listed_and_taken_away(panel):
    listed = panel.cli("keys", "list").stdout
    assert listed.startswith("SHA256:")
    token = panel.cli("tokens", "add", "for a test").stdout.strip()
    line = next(line for line in panel.cli("tokens", "list").stdout.splitlines() if "for a test" in line)
    assert token not in line
    panel.cli("tokens", "revoke", line.split()[0])
    assert asyncio.run(newest_deeds(panel, 2)) == [("token.revoke", "cli"), ("token.add", "cli")]
    assert "for a test" not in panel.cli("tokens", "list").stdout
    assert panel.cli("tokens", "revoke", "nonsense", check=False).returncode == 1
    assert panel.cli("keys", "remove", "SHA256:none", check=False).returncode == 1
