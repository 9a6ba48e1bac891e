"""Runs buildpacks as the product does: in bubblewrap, at /app, as an unprivileged user, but with the host's network."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from skypanel.drivers.runtimes.kept import KeptRuntimes
from skypanel.host.programs import PROGRAMS
from tests.support.ports import free_ports
from tests.support.runtime_mirror import Mirror

ROOT = Path(__file__).parents[2]
APPS = ROOT / "tests" / "apps"
UID = 58_123
DEADLINE_S = 20.0
# Settings for this machine's package registries. Paths in them must be the system's.
PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "NPM_CONFIG_REGISTRY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE")
START = 'for file in .profile.d/*.sh; do [ -f "$file" ] && . "./$file"; done; eval "exec $1"'


@dataclass(frozen=True)
class Finished:
    """A step that has ended: its exit status, its output and its duration."""

    code: int
    output: str
    seconds: float


@dataclass
class Site:
    """An app that is being built, with its cache, its config vars and its own copy of the buildpacks."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def app(self) -> Path:
        return self.home / "app"

    def write(self, name: str, text: str) -> None:
        path = self.app / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        hand_over(self.app)

    def use(self, fixture: str) -> None:
        """Start again from a sample app, as each push does. The cache stays."""
        shutil.rmtree(self.app, ignore_errors=True)
        shutil.copytree(APPS / fixture, self.app)
        hand_over(self.app)

    def run(self, *argv: str, directory: str = "/app", binds: Mapping[Path, str] | None = None) -> Finished:
        began = time.monotonic()
        done = subprocess.run(
            self.argv(argv, directory, self.environment, binds or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=240,
            check=False,
        )
        return Finished(done.returncode, done.stdout, time.monotonic() - began)

    def offer(self, language: str, mirror: Mirror) -> None:
        """Provide the runtimes that the panel adds to a build if it needs another version than the stack's."""
        folder = self.home / "tmp" / "runtimes" / language
        shutil.rmtree(folder, ignore_errors=True)
        kept = KeptRuntimes(self.home / "runtimes")
        offered = asyncio.run(kept.offered(language, str(mirror.folder)))
        self._tell(folder, list(offered))
        if runtime := offered.get(self.needs(language)):
            asyncio.run(kept.fetch(runtime, str(mirror.folder)))
            shutil.copytree(kept.place(runtime), folder, dirs_exist_ok=True)
            hand_over(folder)

    def _tell(self, folder: Path, versions: list[str], failure: str = "") -> None:
        folder.mkdir(parents=True)
        (folder / "offered.json").write_text(json.dumps({"versions": versions, "failure": failure}))
        hand_over(folder.parent)

    def needs(self, language: str) -> str:
        """Return the version that a buildpack requests from the panel."""
        return self.run("bin/runtime", "/app", directory=f"/tmp/buildpacks/{language}").output.strip()

    def detect(self, name: str) -> Finished:
        return self.run(f"/tmp/buildpacks/{name}/bin/detect", "/app", directory=f"/tmp/buildpacks/{name}")

    def compile(self, name: str, binds: Mapping[Path, str] | None = None) -> Finished:
        argv = (f"/tmp/buildpacks/{name}/bin/compile", "/app", "/cache", "/env")
        return self.run(*argv, directory=f"/tmp/buildpacks/{name}", binds=binds)

    def compiled(self, name: str) -> Finished:
        done = self.compile(name)
        assert done.code == 0, done.output
        return done

    def release(self, name: str) -> Finished:
        return self.run("bin/release", "/app", directory=f"/tmp/buildpacks/{name}")

    @contextmanager
    def serving(self, command: str | None = None, **environment: str) -> Iterator["Server"]:
        """Run a web command, by default the Procfile's, until it answers. Kill it after the block."""
        command = command or dict(line.split(": ", 1) for line in (self.app / "Procfile").read_text().splitlines())["web"]
        port = free_port()
        environment = {"PORT": str(port), "DYNO": "web.1", **environment}
        process = subprocess.Popen(
            self.argv(("bash", "-c", START, "start", command), "/app", environment, {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_until_listening(process, port)
            yield Server(port, process)
        finally:
            process.kill()
            process.communicate()

    def argv(self, argv: tuple[str, ...], directory: str, environment: Mapping[str, str], binds: Mapping[Path, str]) -> list[str]:
        variables = {
            "HOME": "/app",
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "STACK": "heroku-24",
            **{name: os.environ[name] for passed in PASSED_ON for name in (passed, passed.lower()) if name in os.environ},
            **dict.fromkeys(CA_VARIABLES, CA_BUNDLE),
            **environment,
        }
        folders = {self.home / name: f"/{name}" for name in ("app", "cache", "env")}
        folders |= {self.home / "tmp": "/tmp", **binds}
        return [
            *(("setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups", "--no-new-privs") if os.geteuid() == 0 else ()),
            *("bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session"),
            *("--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc", "--proc", "/proc", "--dev", "/dev"),
            *(part for name in ("bin", "sbin", "lib", "lib64") for part in system_folder(Path("/", name))),
            *(part for source, target in folders.items() for part in ("--bind", str(source), target)),
            *("--ro-bind", str(PROGRAMS / "uv"), "/tools/uv"),
            *("--chdir", directory, "--clearenv"),
            *(part for name, value in variables.items() for part in ("--setenv", name, value)),
            *argv,
        ]


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    body: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Server:
    """A running app that answers requests."""

    port: int
    process: subprocess.Popen[str]

    def get(self, path: str = "/", method: str = "GET", **headers: str) -> Answer:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
                return Answer(response.status, response.read().decode(), response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(), error.headers)


@contextmanager
def new_site(environment: Mapping[str, str] | None = None) -> Iterator[Site]:
    home = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
    try:
        home.chmod(0o755)
        for name in ("app", "cache", "env", "tmp"):
            (home / name).mkdir()
        shutil.copytree(ROOT / "buildpacks", home / "tmp" / "buildpacks", ignore=shutil.ignore_patterns("__pycache__"))
        hand_over(home)
        yield Site(home, dict(environment or {}))
    finally:
        shutil.rmtree(home)


def hand_over(folder: Path) -> None:
    """Change the owner of a tree to the sandbox's user."""
    if os.geteuid() == 0:
        subprocess.run(["chown", "--recursive", "--no-dereference", f"{UID}:{UID}", str(folder)], check=True)


def system_folder(path: Path) -> tuple[str, ...]:
    if path.is_symlink():
        return ("--symlink", str(path.readlink()), str(path))
    return ("--ro-bind", str(path), str(path)) if path.exists() else ()


def free_port() -> int:
    return free_ports(1)[0]


def wait_until_listening(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nothing listens on {port} after {DEADLINE_S} s")


def package(site: Site) -> dict[str, object]:
    return dict(json.loads((site.app / "package.json").read_text()))
