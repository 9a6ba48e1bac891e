"""Any process may be killed at any moment, also in the middle of a push."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.journeys.harness import wait_for

BUILD_LINE = "building now"


@pytest.fixture
def slow_repository(panel):
    def make(seconds: int):
        repository = panel.repository("node-plain")
        repository.write("package.json", f'{{"name": "slow", "scripts": {{"build": "echo {BUILD_LINE}; sleep {seconds}"}}}}\n')
        repository.commit("Slow")
        return repository

    return make


def kill(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    listing = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in listing.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found, open_ = [], [pid]
    while open_:
        found.append(current := open_.pop())
        open_ += children.get(current, [])
    return found


def test_a_worker_killed_in_a_build_fails_it_within_30_s_and_the_next_push_works(panel, slow_repository):
    repository = slow_repository(120)
    push = repository.start_push("orphan")
    push.wait_for_line(BUILD_LINE)
    kill(descendants(panel.pid("panel:worker")))
    push.wait_for_line("Push again", timeout_s=90)
    assert push.wait() != 0
    repository.write("package.json", '{"name": "quick"}\n')
    repository.commit("Quick")
    wait_for(
        "the next push", lambda: repository.git("push", panel.remote("orphan"), "HEAD:refs/heads/main", check=False).returncode == 0, 60
    )
    assert panel.get("orphan").status == 200


def test_a_receiver_killed_in_a_build_leaves_the_build_running_and_the_next_push_reuses_it(panel, slow_repository):
    repository = slow_repository(8)
    push = repository.start_push("headless")
    push.wait_for_line(BUILD_LINE)
    kill([panel.pid("panel:receiver")])
    assert push.wait() != 0
    wait_for("the build to go live", lambda: panel.get("headless").status == 200, 60)
    shown = wait_for("the receiver", lambda: _pushed(repository, "headless"), 60)
    assert "Reusing the build" in shown
    assert BUILD_LINE not in shown


def _pushed(repository, app) -> str:
    done = repository.git("push", repository.panel.remote(app), "HEAD:refs/heads/main", check=False)
    return done.stdout if done.returncode == 0 else ""


@pytest.mark.parametrize("program", ["valkey", "postgres"])
def test_a_push_survives_the_restart_of(panel, slow_repository, program):
    repository = slow_repository(6)
    push = repository.start_push(f"over-{program}")
    push.wait_for_line(BUILD_LINE)
    kill([panel.pid(f"storage:{program}")])
    assert push.wait() == 0, push.text
    assert [line.split()[1:] for line in push.lines].count(BUILD_LINE.split()) == 1, push.text
    assert "Verifying deploy... done." in push.text
    assert panel.get(f"over-{program}").status == 200


def test_a_worker_killed_in_a_rollout_is_followed_by_another(panel):
    repository = panel.repository("python-plain")
    repository.write("Procfile", "web: sleep 6; exec python3 app.py\n")
    repository.commit("Slow to start")
    push = repository.start_push("resumed")
    push.wait_for_line("Launching")
    kill(descendants(panel.pid("panel:worker")))
    assert push.wait() == 0, push.text
    assert panel.get("resumed").body == "Hello from SkyPanel\n"


def test_panel_restarts_touch_no_app(panel):
    panel.repository("python-plain").push("untouched")
    before = panel.cli("ps", "untouched").stdout
    kill([panel.pid(f"panel:{program}") for program in ("web", "receiver", "worker")])
    assert panel.get("untouched").status == 200
    wait_for("the same dyno", lambda: panel.cli("ps", "untouched", check=False).stdout == before, 30)
    wait_for("the receiver", panel.receives)


def test_dynos_come_back_after_the_launcher_was_killed(panel):
    panel.repository("python-plain").push("phoenix")
    assert panel.process is not None
    launchers = [pid for pid in descendants(panel.process.pid) if b"skypanel.launcher" in _command(pid)]
    assert launchers
    kill(launchers)
    # The dyno of before can answer until the new launcher removes it, so the launcher itself is asked first.
    wait_for("the new launcher", lambda: panel.cli("run", "phoenix", "--", "true", check=False).returncode == 0, 60)
    wait_for("the app", lambda: panel.get("phoenix").status == 200, 60)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
