"""A host of git repositories as users have them elsewhere: git's own server behind TLS on loopback, and some that misbehave."""

import shutil
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

import pytest

from skypanel.domain.remote import Entrance, parse_url
from skypanel.embedded.certificates import issue, make_authority
from tests.e2e.git_http import Backend

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
IDENTITY = ("-c", "user.name=Dev", "-c", "user.email=dev@example.com")
APP = {"Procfile": "web: python app.py\n", "app.py": "print('hello')\n", "requirements.txt": ""}


def git(*arguments: object) -> str:
    argv = ["git", *IDENTITY, "-c", "init.defaultBranch=main", *map(str, arguments)]
    return subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def publish(root: Path, name: str, files: dict[str, str | bytes] | None = APP, branch: str = "main") -> str:
    """Commit files to a branch of a repository, which is made where it is missing, and return the commit; without files, it stays empty."""
    bare = root / f"{name}.git"
    if not bare.exists():
        root.mkdir(exist_ok=True)
        git("init", "-q", "--bare", bare)
    if files is None:
        return ""
    with tempfile.TemporaryDirectory() as work:
        git("clone", "-q", bare, work)
        git("-C", work, "checkout", "-q", "-B", branch)
        for path, content in files.items():
            file = Path(work, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        git("-C", work, "add", "-A")
        git("-C", work, "commit", "-q", "--allow-empty", "-m", "Publish")
        git("-C", work, "push", "-q", "-f", "origin", branch)
        return git("-C", work, "rev-parse", "HEAD")


def add_submodules(root: Path, name: str, links: dict[str, tuple[str, str]], modules: str | None = None) -> str:
    """Commit submodules, path -> commit and URL, to the main branch of a repository, and return the commit.

    `modules` is what .gitmodules says instead.
    """
    said = "".join(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, (_, url) in links.items())
    with tempfile.TemporaryDirectory() as work:
        git("clone", "-q", root / f"{name}.git", work)
        for path, (commit, _) in links.items():
            git("-C", work, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        Path(work, ".gitmodules").write_text(said if modules is None else modules)
        git("-C", work, "add", ".gitmodules")
        git("-C", work, "commit", "-q", "-m", "Submodules")
        git("-C", work, "push", "-q", "origin", "HEAD:main")
        return git("-C", work, "rev-parse", "HEAD")


@dataclass
class GitHost:
    """Repositories in `root`, at https://localhost:<port>; `odd` answers in git's place for paths that begin so.

    What is in the folder `private` asks for a login. `asked` is every path that was asked for.
    """

    root: Path
    port: int = 0
    odd: dict[str, Callable[[Backend], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def authority(self) -> Path:
        return self.root / "ca.crt"

    def url(self, name: str) -> str:
        return f"https://localhost:{self.port}/{name}.git"

    def entrance(self, name: str) -> Entrance:
        return Entrance(parse_url(self.url(name)), LOOPBACK)

    def publish(self, name: str, files: dict[str, str | bytes] | None = APP, branch: str = "main") -> str:
        return publish(self.root, name, files, branch)

    def answer(self, name: str, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        """Have a repository's every request answered so."""

        def answer(request: Backend) -> None:
            request.send_response(status)
            for key, value in headers.items():
                request.send_header(key, value)
            request.end_headers()
            request.wfile.write(body)

        self.odd[f"/{name}.git"] = answer

    def hang(self, name: str) -> None:
        """Have a repository's answers begin and go no further, until the test ends."""

        def hang(request: Backend) -> None:
            request.send_response(200)
            request.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
            request.end_headers()
            request.wfile.write(b"001e# service=git")
            request.wfile.flush()
            self.released.wait(60)

        self.odd[f"/{name}.git"] = hang


def _serving(host: GitHost) -> type[Backend]:
    class Serving(Backend):
        root = str(host.root)

        def do_GET(self) -> None:  # noqa: N802 - as http.server looks for it
            host.asked.append(self.path)
            odd = next((answer for prefix, answer in host.odd.items() if self.path.startswith(prefix)), None)
            if odd is None:
                super().do_GET()
            else:
                odd(self)

        do_POST = do_GET  # noqa: N815 - as http.server looks for it

    return Serving


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up, as tests have them do."""


@pytest.fixture
def git_host() -> Iterator[GitHost]:
    root = Path(tempfile.mkdtemp(prefix="skygit", dir="/var/tmp"))
    root.chmod(0o755)
    host = GitHost(root)
    authority = make_authority("localhost", datetime.now(UTC))
    pair = issue(authority, ("localhost",), datetime.now(UTC))
    host.authority.write_bytes(authority.certificate)
    (root / "server.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(root / "server.pem")
    with _Server(("127.0.0.1", 0), _serving(host)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        host.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield host
        finally:
            host.released.set()
            server.shutdown()
            thread.join()
    shutil.rmtree(root)
