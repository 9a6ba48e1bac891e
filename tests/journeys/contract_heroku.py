"""What the unmodified Heroku CLI does to an app's dynos, on whichever engine.

A subclass's module has a fixture `front`, a running panel, and of tests.journeys.heroku_cli the fixtures `program`, `heroku` and `hello`.
"""

import json
import re
import signal
import subprocess

import pytest

from tests.journeys.curl import Curl
from tests.journeys.harness import Answer, wait_for

# A busy machine takes its time to start containers.
WITHIN_S = 60
GREETING = Answer(200, "Hello from SkyPanel\n")


def dynos(heroku):
    """Return the dynos that run of `hello`, as the CLI has them."""
    return json.loads(heroku.run("ps", "--json", "-a", "hello").stdout)


def wait_for_dynos(heroku, what, are_there):
    """Wait until the CLI lists the dynos that `are_there`. It takes a second of a processor, so the API is asked until it is worth it."""
    curl = Curl(heroku.panel)
    wait_for(what, lambda: are_there(curl(f"{curl.base}/apps/hello/dynos")), WITHIN_S)
    wait_for(f"{what} in the CLI", lambda: are_there(dynos(heroku)), WITHIN_S)


def are_up(*names, instead_of=()):
    """Say of dynos whether these are up, and no others run, nor any of those that they are there `instead_of`."""

    def all_are_up(found):
        is_new = {each["updated_at"] for each in found}.isdisjoint(each["updated_at"] for each in instead_of)
        return is_new and sorted(each["name"] for each in found) == list(names) and {each["state"] for each in found} == {"up"}

    return all_are_up


def no_one_offs(found):
    return not any(each["type"] == "run" for each in found)


class HerokuContract:
    def test_an_app_is_pushed_and_cloned(self, heroku, hello, front):
        assert front.get("hello") == GREETING
        # It is this that tells git whom to ask for the token.
        heroku("git:remote", "-a", "hello", cwd=hello.folder)
        heroku("git:clone", "-a", "hello", "elsewhere")
        cloned = heroku.home / "elsewhere"
        assert (cloned / "app.py").read_text() == (hello.folder / "app.py").read_text()
        remotes = subprocess.run(["git", "remote", "-v"], cwd=cloned, text=True, capture_output=True, check=True).stdout
        assert f"heroku\thttps://localhost:{front.ports[2]}/hello.git (fetch)" in remotes

    @pytest.mark.req("R15.2")
    def test_process_types_are_scaled_all_or_none(self, heroku, hello):
        wait_for_dynos(heroku, "a dyno", are_up("web.1"))
        assert "web.1: up" in heroku("ps", "-a", "hello")
        assert "web at 2:Standard, worker at 1:Standard" in heroku("ps:scale", "web=2", "worker=1", "-a", "hello")
        wait_for_dynos(heroku, "three dynos", are_up("web.1", "web.2", "worker.1"))
        assert "over the Standard plan's" in heroku("ps:scale", "web=1", "worker=99", "-a", "hello", check=False)
        assert "web=2:Standard worker=1:Standard" in heroku("ps:scale", "-a", "hello")
        assert "web at 1:Standard, worker at 0:Standard" in heroku("ps:scale", "web-1", "worker=0", "-a", "hello")
        wait_for_dynos(heroku, "one dyno", are_up("web.1"))

    def test_dynos_are_restarted_and_stopped(self, heroku, front, hello):
        for command in (["ps:restart"], ["ps:restart", "--dyno-name", "web.1"], ["ps:stop", "--process-type", "web"]):
            before = dynos(heroku)
            heroku(*command, "-a", "hello")
            wait_for_dynos(heroku, "another dyno", are_up("web.1", instead_of=before))
        assert "no dyno" in heroku("ps:restart", "--dyno-name", "web.9", "-a", "hello", check=False)
        wait_for("the page", lambda: front.answers("hello"), WITHIN_S)

    @pytest.mark.req("R12.3")
    def test_a_config_var_reaches_the_app(self, heroku, front, hello):
        assert "done, v" in heroku("config:set", "GREETING=hi", "-a", "hello")
        wait_for("the variable", lambda: front.get("hello", "/env?key=GREETING") == Answer(200, "hi\n"), WITHIN_S)
        heroku("config:unset", "GREETING", "-a", "hello")
        wait_for("the app without it", lambda: front.get("hello", "/env?key=GREETING").status == 404, WITHIN_S)

    def test_visitors_are_told_of_maintenance_and_dynos_run_on(self, heroku, front, hello):
        wait_for_dynos(heroku, "the last release alone", are_up("web.1"))
        before = dynos(heroku)
        heroku("maintenance:on", "-a", "hello")
        answer = front.get("hello")
        assert (answer.status, answer.headers["Retry-After"], "is down for maintenance" in answer.body) == (503, "60", True)
        heroku("maintenance:off", "-a", "hello")
        assert front.get("hello") == GREETING
        assert dynos(heroku) == before

    def test_logs_are_read_and_followed(self, heroku, front, hello):
        front.get("hello", "/in-the-log")
        wait_for("a line", lambda: "/in-the-log" in heroku("logs", "-a", "hello"))
        assert "app[web.1]" in heroku("logs", "--dyno-name", "web.1", "-a", "hello")
        assert "app[web.1]" in heroku("logs", "--process-type", "web", "--source", "app", "-a", "hello")
        assert "app[web.1]" not in heroku("logs", "--process-type", "worker", "-a", "hello")
        assert "app[" not in heroku("logs", "--source", "heroku", "-a", "hello")
        with heroku.started("logs", "--tail", "-a", "hello") as tail:
            tail.says("app[web.1]")
            front.get("hello", "/followed-by-the-tail")
            tail.says("/followed-by-the-tail")

    def test_its_command_and_ours_count_lines_alike(self, heroku, front, hello):
        front.get("hello", "/counted")
        wait_for("the line", lambda: "/counted" in heroku("logs", "--source", "app", "-n", "5", "-a", "hello"))
        assert heroku("logs", "--source", "app", "--num", "1", "-a", "hello").count("app[") == 1
        found = front.cli("logs", "hello", "--search", "COUNTED", "--source", "app", "--since", "1h", "--dyno", "web").stdout
        assert "/counted" in found
        assert found.count("\n") == found.lower().count("counted")
        assert front.cli("logs", "hello", "--regex", "/count[e]d", "-n", "1").stdout.count("\n") == 1
        assert front.cli("logs", "hello", "--until", "52w").stdout == ""
        for wrong in (("--since", "soon"), ("--regex", "("), ("--level", "bad"), ("--source", "bad"), ("--tail", "--until", "1h")):
            done = front.cli("logs", "hello", *wrong, check=False)
            assert (done.returncode, done.stderr.startswith(" !     ")) == (1, True), done.stderr

    def test_a_command_is_run_with_pipes(self, heroku, hello):
        done = heroku.run("run", "--no-tty", "-a", "hello", "-e", "NAME=Ada", "--", "cat; echo $NAME", typed="one\ntwo\n")
        assert (done.stdout, done.returncode) == ("one\ntwo\nAda\n", 0), done.stderr
        assert "up, run." in done.stderr
        assert heroku.run("run", "-a", "hello", "--", "echo", "$((6 * 7))").stdout.strip() == "42"

    def test_its_exit_status_is_passed_on(self, heroku, hello):
        assert heroku.run("run", "--exit-code", "-a", "hello", "--", "yes | head -c 300000; (exit 7)").returncode == 7
        assert heroku.run("run", "-x", "-a", "hello", "--", "true").returncode == 0

    def test_it_has_no_more_memory_than_the_plan_gives(self, heroku, hello):
        done = heroku.run("run", "-a", "hello", "--", "python -c 'print(len(bytearray(700_000_000)))'")
        assert "it used more than 512 MiB of memory" in done.stdout
        assert "700000000" not in done.stdout.splitlines()

    def test_a_command_is_run_at_a_terminal(self, heroku, hello):
        # The CLI shows the command, so what is waited for is not in it.
        command = "stty size; trap 'echo caught $((40 + 2)); exit' INT; echo ready $((40 + 2)); read line; echo got $((2 * line)); cat"
        with heroku.started("run", "-a", "hello", "--", command, terminal=True) as run:
            run.says("ready 42")
            assert "25 181" in run.text
            assert "one-off processes (1)" in heroku("ps", "-a", "hello")
            run.tell("21")
            run.says("got 42")
            run.press("\x03")
            run.says("caught 42")
            run.process.wait(60)
        wait_for_dynos(heroku, "the end of it", no_one_offs)

    def test_who_interrupts_the_cli_leaves_no_dyno(self, heroku, hello):
        with heroku.started("run", "-a", "hello", "--", "echo ready $((40 + 2)); sleep 1000") as run:
            run.says("ready 42")
            run.process.send_signal(signal.SIGINT)
            run.process.wait(60)
        wait_for_dynos(heroku, "the end of it", no_one_offs)

    def test_a_command_is_run_detached_and_stopped(self, heroku, hello):
        name = re.search(r"run\.[0-9]+", heroku("run:detached", "-a", "hello", "--", "echo out of it; sleep 1000"))[0]
        wait_for("its output", lambda: "out of it" in heroku("logs", "--dyno-name", name, "-a", "hello"))
        assert re.search(rf"{re.escape(name)} .*: echo out of it; sleep 1000", heroku("ps", "-a", "hello"))
        heroku("ps:stop", "--dyno-name", name, "-a", "hello")
        wait_for_dynos(heroku, "its end", no_one_offs)
        assert "no dyno" in heroku("ps:stop", "--dyno-name", name, "-a", "hello", check=False)
