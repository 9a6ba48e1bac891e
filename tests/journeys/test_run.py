"""`skypanel run` on a running panel: with pipes, with a terminal, and what a visitor sees meanwhile of the app."""

import os
import pty
import re
import select
import subprocess

import pytest

from tests.journeys.harness import SKYPANEL, wait_for

APP = "one-off"


@pytest.fixture(scope="module")
def app(panel):
    panel.repository("python-plain").push(APP)
    return APP


def run(panel, *arguments, **options):
    return subprocess.run([SKYPANEL, "run", *arguments], env=panel.environment, capture_output=True, timeout=60, check=False, **options)


def test_pipes_and_the_exit_status_are_passed_on(panel, app):
    done = run(panel, app, "-e", "NAME=Ada", "--", "cat; echo $NAME; exit 7", input=b"one\0two\n")
    assert (done.stdout, done.returncode) == (b"one\0two\nAda\n", 7)
    assert run(panel, app, "--", "echo", "a  b", "$HOME", stdin=subprocess.DEVNULL).stdout == b"a  b $HOME\n"


def test_a_terminal_has_its_size_and_its_keys(panel, app):
    command = [SKYPANEL, "run", app, "--", "stty size; trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done"]
    ours, theirs = pty.openpty()
    subprocess.run(["stty", "cols", "81", "rows", "25"], stdin=theirs, check=True)
    process = subprocess.Popen(command, env=panel.environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        seen = Seen(ours)
        wait_for("the command", lambda: seen.has("ready"))
        assert "25 81" in seen.text
        assert re.search(r"run\.[0-9]+ .*stty size; trap", panel.cli("ps", app).stdout)
        os.write(ours, b"\x03")
        wait_for("the interruption", lambda: seen.has("caught"))
        assert process.wait(60) == 5
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    wait_for("the end of the one-off dyno", lambda: "run." not in panel.cli("ps", app).stdout)


def test_who_is_killed_leaves_no_one_off_dyno(panel, app):
    command = [SKYPANEL, "run", app, "--", "echo ready; exec sleep 1000"]
    process = subprocess.Popen(command, env=panel.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.communicate()
    wait_for("the end of the one-off dyno", lambda: "run." not in panel.cli("ps", app).stdout)


def test_visitors_are_told_of_maintenance_and_of_another_name(panel, app):
    panel.cli("maintenance", app, "on")
    answer = panel.get(app)
    assert (answer.status, "is down for maintenance" in answer.body) == (503, True)
    assert "in maintenance" in panel.cli("apps").stdout
    panel.cli("maintenance", app, "off")
    assert panel.get(app).status == 200
    panel.cli("rename", app, "another-one")
    assert panel.get("another-one").status == 200
    assert panel.get(app).status == 404
    panel.cli("rename", "another-one", app)
    assert panel.get(app).status == 200


class Seen:
    """What a terminal showed so far."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self.text = ""

    def has(self, wanted):
        while select.select([self._descriptor], [], [], 0)[0]:
            try:
                self.text += os.read(self._descriptor, 65536).decode(errors="replace")
            except OSError:
                break
        return wanted in self.text
