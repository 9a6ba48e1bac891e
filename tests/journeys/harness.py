"""A whole panel for tests: its own home, ports and SSH key, driven as a user drives it."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.support.ports import free_ports

T = TypeVar("T")

FIXTURES = Path(__file__).parents[1] / "apps"
SKYPANEL = Path(sys.executable).with_name("skypanel")
UP_TIMEOUT_S = 120
HTTP_TIMEOUT_S = 60
# Many conditions run a command, which takes most of a processor's second.
MIN_PAUSE_S, MAX_PAUSE_S = 0.05, 0.5


def reachable(port: int) -> bool:
    """Whether somebody listens on a port of the loopback interface."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_for(what: str, condition: Callable[[], T], timeout_s: float = 60) -> T:
    """Return the first true value of `condition`, or fail with `what` was waited for."""
    deadline, pause_s = time.monotonic() + timeout_s, MIN_PAUSE_S
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        pause.wait(pause_s)
        pause_s = min(1.5 * pause_s, MAX_PAUSE_S)
    return value


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass
class PanelUnderTest:
    """A panel's home and how to reach it; `user` is who runs it, by uid, where that is not the caller."""

    home: Path
    ports: tuple[int, int, int]
    user: int | None = None
    process: subprocess.Popen[str] | None = None
    banner: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    rendezvous_port: int = field(default_factory=lambda: free_ports(1)[0])

    @property
    def environment(self) -> dict[str, str]:
        ssh, http, https = self.ports
        keep = {name: value for name, value in os.environ.items() if name.endswith(("_CERT", "_CERT_FILE", "_CA_BUNDLE", "_CERTS"))}
        return keep | {
            "HOME": str(self.home / "user"),
            "PATH": f"{SKYPANEL.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "SKYPANEL_HOME": str(self.home / "panel"),
            "SKYPANEL_SSH_PORT": str(ssh),
            "SKYPANEL_HTTP_PORT": str(http),
            "SKYPANEL_HTTPS_PORT": str(https),
            "SKYPANEL_RENDEZVOUS_PORT": str(self.rendezvous_port),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSH_COMMAND": f"ssh -i {self.key} -F none -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new"
            f" -o UserKnownHostsFile={self.home}/user/known_hosts",
            **self.variables,
        }

    @property
    def key(self) -> Path:
        return self.home / "user" / ".ssh" / "id_ed25519"

    def up(self) -> "PanelUnderTest":
        """Start the panel and return once its banner is complete."""
        process = self.start()
        wait_for("the banner", lambda: process.poll() is not None or self.banner_says("Ctrl-C"), UP_TIMEOUT_S)
        assert process.poll() is None, "".join(self.banner)
        return self

    def start(self) -> subprocess.Popen[str]:
        """Start the panel and do not wait for anything."""
        self.banner = []
        self.process = subprocess.Popen(
            [*self._as_user(), SKYPANEL, "up"],
            env=self.environment,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        reader.start()
        return self.process

    def _as_user(self) -> list[str | Path]:
        """Give up root's rights; a machine whose /dev/net/tun is root's alone gets one for all, for this process only."""
        if self.user is None:
            return []
        tun = self.home / "tun"
        if not tun.exists():
            os.mknod(tun, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
            tun.chmod(0o666)
        become = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /dev/net/tun && exec "$@"', tun, *become]

    def _read(self, process: subprocess.Popen[str]) -> None:
        self.banner.extend(iter(process.stdout.readline, ""))

    def down(self) -> None:
        """Press Ctrl-C and wait for the end."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(60)
        self.process.stdout.close()
        self.process = None

    def remote(self, app: str) -> str:
        return f"ssh://git@localhost:{self.ports[0]}/{app}.git"

    @property
    def token(self) -> str:
        """The API token that the first run wrote down."""
        return (self.home / "panel" / "token").read_text().strip()

    def http_remote(self, app: str, scheme: str = "https", host: str = "localhost", token: str | None = None) -> str:
        """Return an app's remote over HTTP, with a token in it."""
        return f"{scheme}://any:{token or self.token}@{host}:{self.ports[2 if scheme == 'https' else 1]}/{app}.git"

    def repository(self, fixture: str) -> "Repository":
        """Return a copy of a sample app as a repository with one commit."""
        folder = Path(tempfile.mkdtemp(prefix="app-", dir=self.home / "user"))
        shutil.copytree(FIXTURES / fixture, folder, dirs_exist_ok=True)
        repository = Repository(folder, self)
        repository.git("init", "-q", "-b", "main")
        repository.commit("First")
        return repository

    def cli(self, *arguments: str, check: bool = True, stdin: str = "", timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SKYPANEL, *arguments],
            user=self.user,
            env=self.environment,
            cwd=self.home,
            input=stdin,
            text=True,
            capture_output=True,
            check=check,
            timeout=timeout_s,
        )

    def get(self, app: str, path: str = "/", timeout_s: float = HTTP_TIMEOUT_S) -> Answer:
        """Ask an app for a page through the panel's own proxy."""
        return self.get_at(f"{app}.localhost:{self.ports[1]}", path, timeout_s)

    def get_at(self, host: str, path: str = "/", timeout_s: float = HTTP_TIMEOUT_S) -> Answer:
        """Ask the panel's own proxy for a page of a hostname."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[1]}{path}", headers={"Host": host})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout_s) as response:
                return Answer(response.status, response.read().decode(), response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(), error.headers)

    def answers(self, app: str) -> bool:
        """Whether an app serves; the proxy may not listen yet."""
        try:
            return self.get(app).status == 200
        except urllib.error.URLError:
            return False

    def banner_says(self, words: str) -> bool:
        return any(words in line for line in self.banner)

    def receives(self) -> bool:
        """Whether the git receiver listens."""
        return reachable(self.ports[0])

    def pid(self, program: str) -> int:
        """Return the process id of one of the panel's programs, as supervisord knows it."""
        listing = subprocess.run(
            [SKYPANEL.with_name("supervisorctl"), "-c", self.supervisor_config, "pid", program],
            env=self.environment,
            text=True,
            capture_output=True,
            check=True,
        )
        return int(listing.stdout)

    @property
    def supervisor_config(self) -> str:
        run_dir = json.loads((self.home / "panel" / "panel.json").read_text())["run_dir"]
        return f"{run_dir}/supervisord.conf"


@dataclass(frozen=True)
class Repository:
    """A working copy on the developer's machine."""

    folder: Path
    panel: PanelUnderTest

    def git(self, *arguments: str, check: bool = True, stdin: str = "", timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-c", "user.name=Dev", "-c", "user.email=dev@example.com", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=check,
            timeout=timeout_s,
        )

    @property
    def environment(self) -> dict[str, str]:
        return self.panel.environment | {"GIT_SSL_CAINFO": str(self.panel.home / "panel" / "ca.crt")}

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def commit(self, subject: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, app: str, ref: str = "HEAD:refs/heads/main", *options: str, check: bool = True) -> str:
        """Push and return what the terminal showed; with `check`, it must have gone through."""
        return self.push_to(self.panel.remote(app), ref, *options, check=check)

    def push_to(self, remote: str, ref: str = "HEAD:refs/heads/main", *options: str, check: bool = True) -> str:
        done = self.git("push", *options, remote, ref, check=False)
        assert not check or done.returncode == 0, done.stdout
        assert check or done.returncode != 0, done.stdout
        return done.stdout

    def start_push(self, app: str, ref: str = "HEAD:refs/heads/main", remote: str | None = None) -> "RunningPush":
        process = subprocess.Popen(
            ["git", "push", remote or self.panel.remote(app), ref],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return RunningPush(process)


class RunningPush:
    """A push whose lines can be waited for."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # A git that is killed may leave a helper that holds the pipe for as long as the build takes.
        with self.process.stdout as output:
            self.lines.extend(iter(output.readline, ""))

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def wait_for_line(self, words: str, timeout_s: float = 60) -> None:
        wait_for(f"{words!r} in the push", lambda: words in self.text or self.process.poll() is not None, timeout_s)
        assert words in self.text, self.text

    def wait(self, timeout_s: float = 120) -> int:
        code = self.process.wait(timeout_s)
        self._reader.join(10)
        return code


@contextmanager
def new_panel(user: int | None = None) -> Iterator[PanelUnderTest]:
    """Make a home with a developer's SSH key in it; stop the panel and remove all at the end."""
    home = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
    home.chmod(0o755)
    panel = PanelUnderTest(home, tuple(free_ports(3)), user)
    try:
        panel.key.parent.mkdir(parents=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", panel.key], check=True)
        if user:
            subprocess.run(["chown", "-R", f"{user}:{user}", home], check=True)
        yield panel
    finally:
        panel.down()
        shutil.rmtree(home)
