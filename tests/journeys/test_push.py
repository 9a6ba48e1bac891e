"""The main job: a push makes an app live, and every way it can go wrong leaves the old release serving."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.journeys.harness import Answer, wait_for


@pytest.mark.req("R3.2")
@pytest.mark.req("R6.3")
@pytest.mark.req("R12.4")
@pytest.mark.req("R20.1")
@pytest.mark.req("R20.2")
@pytest.mark.req("R20.4")
def test_a_push_creates_the_app_builds_it_and_makes_it_live(panel):
    repository = panel.repository("python-plain")
    shown = repository.push("hello")
    lines = [line.removeprefix("remote: ").rstrip() for line in shown.splitlines()]
    expected = [
        r"-----> Creating app hello in Main",
        r"-----> Building on the heroku-24 stack",
        r"-----> Python app detected",
        r"-----> Discovering process types",
        r"       Procfile declares types -> web",
        r"-----> Compressing\.\.\.",
        r"       Done: [\d.]+[KM]",
        r"-----> Launching\.\.\.",
        r"       Released v1",
        rf"       http://hello\.localhost:{panel.ports[1]}/ deployed to SkyPanel",
        r"Verifying deploy\.\.\. done\.",
    ]
    rest = iter(lines)
    for pattern in expected:
        assert any(re.fullmatch(pattern, line) for line in rest), f"{pattern} is missing in\n{shown}"
    assert panel.get("hello") == Answer(200, "Hello from SkyPanel\n")
    assert panel.get("hello", "/env?key=DYNO").body.strip() == "web.1"
    assert panel.get("hello", "/env?key=PS").body.strip() == "web.1"
    assert panel.get("hello", "/env?key=PORT").body.strip().isdigit()
    slugs = list((panel.home / "panel" / "objects" / "slugs").rglob("*"))
    assert any(path.is_file() and path.stat().st_size for path in slugs)


@pytest.mark.req("R14.1")
@pytest.mark.req("R14.2")
@pytest.mark.req("R14.4")
def test_releases_are_numbered_kept_and_can_be_rolled_back(panel):
    repository = panel.repository("python-plain")
    repository.push("numbers")
    repository.edit("app.py", "Hello from SkyPanel", "second")
    repository.commit("Second")
    repository.push("numbers")
    assert panel.get("numbers").body == "second\n"
    assert "Released v3" in panel.cli("rollback", "numbers", "v1").stdout
    assert panel.get("numbers").body == "Hello from SkyPanel\n"
    listing = panel.cli("releases", "numbers").stdout.splitlines()[1:]
    assert [line.split()[:2] for line in listing] == [["*", "v3"], ["v2", "succeeded"], ["v1", "succeeded"]]
    assert "Rollback to v1" in listing[0]


@pytest.mark.req("R14.3")
@pytest.mark.req("R12.3")
def test_config_vars_redeploy_and_outlive_a_rollback(panel):
    repository = panel.repository("python-plain")
    repository.push("settings")
    panel.cli("config", "settings", "--set", "GREETING=good morning")
    assert panel.get("settings", "/env?key=GREETING").body.strip() == "good morning"
    panel.cli("rollback", "settings", "v1")
    assert panel.get("settings", "/env?key=GREETING").body.strip() == "good morning"
    panel.cli("config", "settings", "--set", "SECRET", stdin="from standard input\n")
    assert panel.get("settings", "/env?key=SECRET").body.strip() == "from standard input"
    shown = panel.cli("config", "settings").stdout
    assert "SECRET: ****" in shown
    assert "standard input" not in shown
    panel.cli("config", "settings", "--unset", "GREETING")
    assert panel.get("settings", "/env?key=GREETING").body.strip() == ""
    refused = panel.cli("config", "settings", "--set", "greeting=x", check=False)
    assert refused.returncode == 1
    assert "capital letters, digits and underscores" in refused.stderr


@pytest.mark.req("R15.2")
def test_scaling_takes_effect_at_once_and_back(panel):
    panel.repository("python-plain").push("many")
    panel.cli("scale", "many", "web=3")
    with ThreadPoolExecutor(4) as pool:
        dynos = {answer.body.strip() for answer in pool.map(lambda _: panel.get("many", "/env?key=DYNO"), range(60))}
    assert dynos == {"web.1", "web.2", "web.3"}
    panel.cli("scale", "many", "web=0", "--confirm", "many")
    assert panel.get("many").status == 503
    assert panel.cli("ps", "many").stdout.startswith("Formation: web=0")
    panel.cli("scale", "many", "web=1")
    assert panel.get("many").status == 200


@pytest.mark.req("R15.5")
def test_scaling_past_the_plan_is_refused(panel):
    panel.repository("python-plain").push("too-many")
    refused = panel.cli("scale", "too-many", "web=11", check=False)
    assert refused.returncode == 1
    assert "at most 10" in refused.stderr
    assert "unknown" in panel.cli("scale", "too-many", "unknown=1", check=False).stderr


@pytest.mark.req("R6.1")
def test_a_name_that_is_no_dns_label_is_refused(panel):
    repository = panel.repository("python-plain")
    assert "lowercase letters, digits and dashes" in repository.push("no_label", check=False)
    assert "reserved" in repository.push("skypanel", check=False)
    assert "no_label" not in panel.cli("apps").stdout


def test_no_request_fails_while_releases_change(panel):
    repository = panel.repository("python-plain")
    repository.push("steady")
    stop = threading.Event()
    answers: list[Answer] = []

    slow: list[Answer] = []

    def ask(path: str, into: list[Answer]) -> None:
        while not stop.is_set():
            into.append(panel.get("steady", path))

    asked = [("/", answers), ("/", answers), ("/slow?seconds=0.5", slow)]
    threads = [threading.Thread(target=ask, args=one) for one in asked]
    for thread in threads:
        thread.start()
    try:
        for old, new in (("Hello from SkyPanel", "number 0"), ("number 0", "number 1")):
            repository.edit("app.py", old, new)
            repository.commit(new)
            repository.push("steady")
        panel.cli("restart", "steady")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {answer.status for answer in answers + slow} == {200}
    assert {answer.body for answer in answers} == {"Hello from SkyPanel\n", "number 0\n", "number 1\n"}


@pytest.mark.parametrize(
    ("name", "files", "words"),
    [
        ("broken-build", {"requirements.txt": "this-is-no-package-anybody-has==99\n"}, ["The python buildpack failed", "Push rejected"]),
        ("bad-line", {"Procfile": "web: python3 app.py\nworker python3 worker.py\n"}, ["Line 2 of the Procfile", "web: python app.py"]),
        (
            "bad-phase",
            {"Procfile": "web: python3 app.py\nrelease: echo migrating; exit 3\n"},
            ["migrating", "status 3", "v2 did not go live"],
        ),
        ("crashes", {"Procfile": "web: echo oh dear; exit 4\n"}, ["web.1 of v2", "status 4", "oh dear"]),
    ],
)
def test_a_push_that_fails_leaves_the_old_release_serving(panel, name, files, words):
    repository = panel.repository("python-plain")
    repository.push(name)
    before = repository.git("rev-parse", "HEAD").stdout.strip()
    for file, text in files.items():
        repository.write(file, text)
    repository.commit("Break it")
    shown = repository.push(name, check=False)
    assert "pre-receive hook declined" in shown
    assert all(word in shown for word in words), shown
    assert panel.get(name).body == "Hello from SkyPanel\n"
    assert repository.git("ls-remote", panel.remote(name), "refs/heads/main").stdout.split()[0] == before
    repository.git("checkout", "-q", before, "--", ".")
    repository.edit("app.py", "Hello from SkyPanel", "mended")
    repository.commit("Mend it")
    repository.push(name)
    assert panel.get(name).body == "mended\n"


def test_an_app_that_never_listens_is_told_so(panel):
    repository = panel.repository("never-listens")
    shown = repository.push("silent", check=False)
    assert "did not listen on $PORT within 60 s" in shown, shown
    assert "0.0.0.0" in shown, shown
    assert panel.get("silent").status == 503


def test_a_dyno_that_crashes_again_and_again_is_shown_so_with_its_last_lines(panel):
    repository = panel.repository("python-plain")
    repository.write("Procfile", "web: python3 app.py\nworker: echo oh dear; exit 4\n")
    repository.commit("Add a worker")
    repository.push("looping")
    assert "The scale of v1 failed." in panel.cli("scale", "looping", "worker=1", check=False).stderr
    shown = wait_for("a crash", lambda: _crashed(panel))
    assert re.search(r"^worker\.1 +crashed +v1 .*exited with status 4$", shown, re.MULTILINE)
    assert re.search(r"^The last lines of worker\.1:$", shown, re.MULTILINE)
    assert re.search(r"app\[worker\.1\]: oh dear$", shown, re.MULTILINE)
    panel.cli("scale", "looping", "worker=0")


def _crashed(panel):
    shown = panel.cli("ps", "looping").stdout
    return shown if "crashed" in shown else None


def test_another_branch_is_stored_and_not_built(panel):
    repository = panel.repository("python-plain")
    repository.push("branches")
    repository.edit("app.py", "Hello from SkyPanel", "branch")
    repository.commit("On a branch")
    shown = repository.push("branches", "HEAD:refs/heads/feature")
    assert "stored, not deployed" in shown
    assert panel.get("branches").body == "Hello from SkyPanel\n"
    assert "cannot be deleted" in repository.push("branches", ":refs/heads/main", check=False)


SLOW_BUILD = {
    "Procfile": "web: node server.js\n",
    "package.json": '{"name": "slow", "scripts": {"build": "echo building now; sleep 8"}}\n',
}


def test_a_second_push_during_a_build_is_told_so_and_hanging_up_stops_nothing(panel):
    repository = panel.repository("node-plain")
    for file, text in SLOW_BUILD.items():
        repository.write(file, text)
    repository.commit("Slow")
    first = repository.start_push("slow")
    first.wait_for_line("building now")
    assert "is being built" in repository.push("slow", check=False)
    first.process.kill()
    first.wait()
    wait_for("the app to be live", lambda: panel.get("slow").status == 200, 60)
    head = repository.git("rev-parse", "HEAD").stdout.strip()
    wait_for("the ref", lambda: head in repository.git("ls-remote", panel.remote("slow")).stdout, 30)


@pytest.mark.req("R14.5")
def test_a_rollback_takes_seconds(panel):
    repository = panel.repository("python-plain")
    repository.push("quick")
    repository.edit("app.py", "Hello from SkyPanel", "second")
    repository.commit("Second")
    repository.push("quick")
    panel.cli("rollback", "quick", timeout_s=90)
    assert panel.get("quick").body == "Hello from SkyPanel\n"


def test_logs_show_what_dynos_print(panel):
    panel.repository("python-plain").push("chatty")
    panel.get("chatty", "/?a-line-to-find")
    wait_for("the line", lambda: "a-line-to-find" in panel.cli("logs", "chatty").stdout, 10)
    assert re.search(r"^\d{4}-\d\d-\d\dT\S+ app\[web\.1\]: ", panel.cli("logs", "chatty", "--dyno", "web.1").stdout, re.MULTILINE)


def test_a_destroyed_app_is_gone_and_its_name_is_free(panel):
    repository = panel.repository("python-plain")
    repository.push("gone")
    assert panel.cli("destroy", "gone", "--confirm", "other", check=False).returncode == 1
    panel.cli("destroy", "gone", "--confirm", "gone")
    assert panel.get("gone").status == 404
    assert "not found" in panel.cli("ps", "gone", check=False).stderr
    assert "Released v1" in repository.push("gone")
