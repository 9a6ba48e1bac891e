"""`up` as a process: whom it lets start, and what is left of it however it ends."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import monotonic

import pytest

from skypanel.domain.errors import Conflict
from skypanel.embedded import choices, home, up, users
from skypanel.embedded.open_files import connections, raise_limit
from skypanel.host.connection_limit import lists
from skypanel.settings.paths import identity

WITHIN_S = 90


@pytest.fixture
def environ():
    folder = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
    folder.chmod(0o755)
    ports = {f"SKYPANEL_{name}_PORT": str(choices.free_port()) for name in ("SSH", "HTTP", "HTTPS", "RENDEZVOUS")}
    told = {**os.environ, **ports, "SKYPANEL_HOME": str(folder / "home"), "HOME": str(folder)}
    yield told
    shutil.rmtree(home.run_folder(folder / "home", users.panel_user(), told), ignore_errors=True)
    shutil.rmtree(folder)


class Started:
    """An `up` whose lines can be waited for."""

    def __init__(self, environ):
        self.process = subprocess.Popen(
            (sys.executable, "-m", "skypanel.cli", "up"),
            env={**environ, "PYTHONUNBUFFERED": "1"},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, "")))
        self._reader.start()

    def says(self, words):
        return until(lambda: any(words in line for line in self.lines) or self.process.poll() is not None) and words in "".join(self.lines)

    def end(self, number):
        self.process.send_signal(number)
        status = self.process.wait(WITHIN_S)
        self._reader.join(WITHIN_S)
        self.process.stdout.close()
        return status


@pytest.fixture
def start(environ):
    running = []

    def begin():
        running.append(Started(environ))
        return running[-1]

    yield begin
    for each in running:
        if each.process.poll() is None:
            each.end(signal.SIGTERM)


def until(condition, within_s=WITHIN_S):
    deadline, pause = monotonic() + within_s, threading.Event()
    while not (value := condition()):
        assert monotonic() < deadline
        pause.wait(0.05)
    return value


def processes_of(environ):
    """Return every process that knows the home by its arguments or its environment."""
    wanted = environ["SKYPANEL_HOME"].encode()
    return [process for process in Path("/proc").glob("[1-9]*") if wanted in known_to(process)]


def known_to(process):
    try:
        return (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_however_it_ends(environ, start, number):
    begun = start()
    assert begun.says("Postgres answers"), begun.lines
    status = begun.end(number)
    assert status == (-number if number == signal.SIGKILL else 0)
    until(lambda: not processes_of(environ))


def test_connections_are_limited_for_as_long_as_it_runs(environ, start):
    environ["SKYPANEL_CONNECTIONS_PER_ADDRESS"] = "20"
    begun = start()
    assert begun.says("Postgres answers"), begun.lines
    table = f"skypanel_{identity(Path(environ['SKYPANEL_HOME']))}_limit"
    rules = subprocess.run(("nft", "list", "table", "inet", table), check=True, capture_output=True, text=True).stdout
    for port in (environ["SKYPANEL_HTTP_PORT"], environ["SKYPANEL_HTTPS_PORT"]):
        assert re.search(rf"tcp dport {{.*\b{port}\b.*}} ct state new", rules)
    assert len(re.findall(r"@open[46] .* ct count over 20 ", rules)) == 2
    most = connections(raise_limit())
    each = most // lists(most)
    assert re.search(rf"@total .* ct count over {each} ", rules)
    assert begun.end(signal.SIGTERM) == 0
    assert table not in subprocess.run(("nft", "list", "tables"), check=True, capture_output=True, text=True).stdout


def test_after_a_kill_it_starts_again(environ, start):
    first = start()
    assert first.says("Postgres answers"), first.lines
    first.end(signal.SIGKILL)
    second = start()
    assert second.says("Postgres answers"), second.lines
    assert second.end(signal.SIGINT) == 0


def test_a_second_one_on_a_home_is_refused(environ, start):
    first = start()
    assert first.says("Starting the panel"), first.lines
    with pytest.raises(Conflict, match="is already running"):
        up.run(environ)


@pytest.mark.parametrize("name", ["SSH", "HTTP", "HTTPS"])
def test_a_taken_public_port_is_named_with_its_variable_and_whose_it_is(environ, name):
    variable = f"SKYPANEL_{name}_PORT"
    with (
        socket.create_server(("", int(environ[variable]))),
        pytest.raises(Conflict, match=rf"Port {environ[variable]} .* is taken by .* \(process {os.getpid()}\).*set {variable}"),
    ):
        up.run(environ)
    assert not processes_of(environ)
