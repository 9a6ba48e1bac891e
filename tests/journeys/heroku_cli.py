"""The real Heroku CLI, as npm has it, against a panel under test. Of fixtures here, `front` is the panel of the module that has them."""

import fcntl
import hashlib
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.journeys.harness import PanelUnderTest, Repository, wait_for

# Each version has a folder with its lock file.
LOCKED = Path(__file__).parent / "heroku"
NEWEST = "11.10"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "/var/tmp")) / "skypanel-tests"
# What the CLI takes from it.
SENTRY = ("captureException", "flush", "getClient", "init")
INSTALL_TIMEOUT_S = 900
TIMEOUT_S = 120


def installed(version: str = NEWEST) -> Path:
    """Return the program of a version of the CLI; what its lock file says is installed once for all tests of a machine."""
    lock = (LOCKED / version / "package-lock.json").read_bytes()

    def install(folder: Path) -> None:
        shutil.copytree(LOCKED / version, folder)
        (folder / "package-lock.json").write_text(_addressed(lock))
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(["npm", "ci", *options], cwd=folder, check=True, timeout=INSTALL_TIMEOUT_S)

    return _made_once(f"heroku-{hashlib.sha256(lock).hexdigest()[:12]}", install)


def without_sentry(program: Path) -> Path:
    """Return the newest CLI without the library of Sentry. It is for telemetry, which is off; to load it takes two thirds of a command.

    All of the CLI itself is there, as links.
    """
    whole = next(parent for parent in program.parents if parent.parent == CACHE)

    def link(folder: Path) -> None:
        shutil.copytree(whole, folder, symlinks=True, copy_function=os.link, ignore=shutil.ignore_patterns("complete"))
        library = folder / "node_modules" / "@sentry" / "node"
        shutil.rmtree(library)
        library.mkdir()
        (library / "package.json").write_text(json.dumps({"name": "@sentry/node", "type": "module", "exports": "./index.js"}))
        (library / "index.js").write_text("".join(f"export function {name}() {{}}\n" for name in SENTRY))

    digest = hashlib.sha256("".join(SENTRY).encode()).hexdigest()[:12]
    return _made_once(f"{whole.name}-{digest}", link)


def _made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the program in a folder of this machine's cache, which `make` fills if it is not complete."""
    folder = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as taking_turns:
        fcntl.flock(taking_turns, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            (folder / "complete").touch()
    return (folder / "node_modules" / ".bin" / "heroku").resolve(strict=True)


def _addressed(lock: bytes) -> str:
    """Return a lock file that says where the packages are; npm would ask its registry for each, which takes three times as long."""
    registry = subprocess.run(["npm", "config", "get", "registry"], capture_output=True, text=True, check=True).stdout.strip().rstrip("/")
    read = json.loads(lock)
    for path, package in read["packages"].items():
        if path:
            name = package.get("name", path.rpartition("node_modules/")[2])
            package["resolved"] = f"{registry}/{name}/-/{name.rpartition('/')[2]}-{package['version']}.tgz"
    return json.dumps(read)


def unbroken(shown: str) -> str:
    """Return what the CLI printed without its line breaks, which are where it likes."""
    return re.sub("[\\s\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}]+", " ", shown)


class Heroku:
    """A developer's CLI with a home of its own; logged in by the panel's first token, unless that is taken out."""

    def __init__(self, panel: PanelUnderTest, program: Path, token: str | None = None) -> None:
        self.panel, self.program = panel, program
        self.token = token
        self.home = Path(tempfile.mkdtemp(prefix="heroku-", dir=panel.home))
        commands = self.home / "bin"
        commands.mkdir()
        # git asks the CLI for credentials by this name.
        (commands / "heroku").write_text(f'#!/bin/sh\nexec node "{program}" "$@"\n')
        (commands / "heroku").chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        address = f"https://localhost:{self.panel.ports[2]}"
        authority = str(self.panel.home / "panel" / "ca.crt")
        own = {
            "HOME": str(self.home),
            "PATH": f"{self.home / 'bin'}:{self.panel.environment['PATH']}",
            "HEROKU_HOST": address,
            "HEROKU_PARTICLEBOARD_URL": address,
            "HEROKU_LOGIN_HOST": address,
            "NODE_EXTRA_CA_CERTS": authority,
            "GIT_SSL_CAINFO": authority,
            "DISABLE_TELEMETRY": "true",
            "HEROKU_SKIP_ANALYTICS": "1",
            "HEROKU_DISABLE_AUTOUPDATE": "true",
            "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        # As the documentation says: where these are set, old versions trust nobody else.
        given = {name: value for name, value in self.panel.environment.items() if name not in {"SSL_CERT_FILE", "SSL_CERT_DIR"}}
        return given | own | ({"HEROKU_API_KEY": self.token} if self.token else {})

    def __call__(self, *arguments: str, check: bool = True, cwd: Path | None = None) -> str:
        """Run a command and return what it printed, both outputs together."""
        done = self.run(*arguments, cwd=cwd)
        shown = done.stdout + done.stderr
        assert (done.returncode == 0) == check, shown
        return shown

    def run(self, *arguments: str, cwd: Path | None = None, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; `typed` is piped to it."""
        given = {"stdin": subprocess.DEVNULL} if typed is None else {"input": typed}
        return subprocess.run(
            ["heroku", *arguments],
            executable=self.home / "bin" / "heroku",
            env=self.environment,
            cwd=cwd or self.home,
            **given,
            text=True,
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
        )

    def git(self, repository: Repository, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=repository.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @contextmanager
    def started(self, *arguments: str, terminal: bool = False):
        """Run a command whose output is waited for, and which is told things where it has a terminal."""
        running = RunningCommand([str(self.home / "bin" / "heroku"), *arguments], self.environment, self.home, terminal=terminal)
        try:
            yield running
        finally:
            running.close()


class RunningCommand:
    """A command that runs; with a terminal, it believes that a person sits there."""

    def __init__(self, argv: list[str], environment: dict[str, str], folder: Path, *, terminal: bool) -> None:
        ours, theirs = pty.openpty() if terminal else os.pipe()
        if terminal:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 25, 181, 0, 0))
        self._ours = ours
        self.process = subprocess.Popen(
            argv,
            env=environment,
            cwd=folder,
            stdin=theirs if terminal else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while block := self._block():
            self.text += block.decode(errors="replace")

    def _block(self) -> bytes:
        try:
            return os.read(self._ours, 4096)
        except OSError:  # the other end of a terminal is closed
            return b""

    def says(self, words: str) -> None:
        wait_for(f"{words!r} in {self.process.args}", lambda: words in self.text or self.process.poll() is not None, 60)
        assert words in self.text, self.text

    def tell(self, line: str) -> None:
        self.press(f"{line}\r")

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        self._reader.join(10)
        os.close(self._ours)


@pytest.fixture(scope="session")
def program() -> Path:
    """Where the CLI is. Tests of the relay run the whole one."""
    return without_sentry(installed())


@pytest.fixture
def heroku(front, program) -> Heroku:
    """A developer's CLI of the test's own, logged in."""
    return Heroku(front, program, front.token)


@pytest.fixture(scope="module")
def hello(front, program) -> Repository:
    """An app that was made and pushed with the CLI; it has workers, of which none runs."""
    heroku = Heroku(front, program, front.token)
    heroku("apps:create", "hello", "--no-remote")
    repository = front.repository("python-plain")
    repository.write("Procfile", "web: python app.py\nworker: exec sleep 1000\n")
    repository.commit("A worker")
    heroku("git:remote", "-a", "hello", cwd=repository.folder)
    assert "Verifying deploy... done." in heroku.git(repository, "push", "heroku", "main")
    return repository


if __name__ == "__main__":
    sys.stdout.write(f"{installed()}\n")
