"""Serves a folder of files on $PORT with the standard library alone; site.json beside it says how."""  # noqa: INP001 - a script, run by path

import hashlib
import json
import mimetypes
import os
import shutil
import signal
import socket
import sys
import threading
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

GRACE_S = 25.0
TYPES = {
    ".avif": "image/avif",
    ".js": "text/javascript",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
WITH_CHARSET = {"application/json", "application/javascript", "application/xml", "image/svg+xml", "application/manifest+json"}
# At the top of an app lie files that say how it is built; they are not the site.
NOT_THE_SITE = {"Procfile", "static.json", "app.json"}


@dataclass(frozen=True)
class Site:
    """What to serve and how."""

    root: Path
    error_page: str
    clean_urls: bool
    fallback: str | None
    built_at: int
    tags: dict[tuple[str, int, int], str] = field(default_factory=dict)

    def find(self, path: str) -> Path | None:
        """Return the file for a decoded URL path, or None. Nothing hidden and nothing outside of the root is found."""
        parts = [part for part in path.split("/") if part not in {"", "."}]
        if "\0" in path or any(_hidden(part, first=number == 0) for number, part in enumerate(parts)):
            return None
        wanted = self.root.joinpath(*parts)
        if path.endswith("/") or wanted == self.root:
            return self._inside(wanted / "index.html")
        clean = self._inside(wanted.with_name(f"{wanted.name}.html")) if self.clean_urls else None
        return self._inside(wanted) or clean

    def is_folder(self, path: str) -> bool:
        """Whether a folder with an index page is meant, its slash left out."""
        return not path.endswith("/") and self.find(f"{path}/") is not None

    def page(self, name: str | None) -> Path | None:
        """Return a page that the site's settings name."""
        return self.find(f"/{name}") if name else None

    def tag(self, path: Path, status: os.stat_result) -> str:
        """Return the ETag of a file: of its content, as every file of a build may have the same time."""
        key = (str(path), status.st_mtime_ns, status.st_size)
        if key not in self.tags:
            with path.open("rb") as content:
                self.tags[key] = f'"{hashlib.file_digest(content, hashlib.sha256).hexdigest()[:32]}"'
        return self.tags[key]

    def _inside(self, path: Path) -> Path | None:
        try:
            real = path.resolve()
            return real if real.is_file() and real.is_relative_to(self.root) else None
        except (OSError, RuntimeError):  # a name too long, a loop of links
            return None


def _hidden(part: str, *, first: bool) -> bool:
    if first and part == ".well-known":
        return False
    return part.startswith(".") or (first and part in NOT_THE_SITE)


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"
    server_version = "SkyPanel"
    sys_version = ""
    timeout = 60
    server: "Server"

    def handle_one_request(self) -> None:
        """Answer one request, counted only while it is worked on, so that idle connections hold up no stop."""
        super().handle_one_request()
        if self.server.stopping.is_set():
            self.close_connection = True

    def do_GET(self) -> None:
        """Answer with a file."""
        with self.server.busy():
            self._answer()

    do_HEAD = do_GET  # noqa: N815 - the base class calls it so

    def _answer(self) -> None:
        site = self.server.site
        url = urlsplit(self.path)
        path = unquote(url.path, errors="replace")
        if found := site.find(path):
            self._send(HTTPStatus.OK, found)
        elif site.is_folder(path):
            self._redirect(f"{_local(url.path)}/{'?' + url.query if url.query else ''}")
        elif found := site.page(site.fallback):
            self._send(HTTPStatus.OK, found)
        elif found := site.page(site.error_page):
            self._send(HTTPStatus.NOT_FOUND, found)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, status: HTTPStatus, path: Path) -> None:
        try:
            content = path.open("rb")
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with content:
            facts = os.fstat(content.fileno())
            tag, changed = self.server.site.tag(path, facts), max(int(facts.st_mtime), self.server.site.built_at)
            if status is HTTPStatus.OK and self._is_known(tag, changed):
                status = HTTPStatus.NOT_MODIFIED
            self.send_response(status)
            self.send_header("ETag", tag)
            self.send_header("Last-Modified", formatdate(changed, usegmt=True))
            self.send_header("Cache-Control", "no-cache")
            if status is not HTTPStatus.NOT_MODIFIED:
                self.send_header("Content-Type", _type(path))
                self.send_header("Content-Length", str(facts.st_size))
            self.end_headers()
            if status is not HTTPStatus.NOT_MODIFIED and self.command != "HEAD":
                self._copy(content)

    def _copy(self, content: BinaryIO) -> None:
        try:
            shutil.copyfileobj(content, self.wfile)
        except (ConnectionError, TimeoutError):  # the reader went away
            self.close_connection = True

    def _is_known(self, tag: str, changed: int) -> bool:
        if tags := self.headers.get("If-None-Match"):
            return any(known.strip().removeprefix("W/") in {tag, "*"} for known in tags.split(","))
        try:
            return changed <= parsedate_to_datetime(self.headers.get("If-Modified-Since", "")).timestamp()
        except (TypeError, ValueError, OverflowError):
            return False

    def _redirect(self, target: str) -> None:
        self.send_response(HTTPStatus.MOVED_PERMANENTLY)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *values: Any) -> None:  # noqa: A002, ANN401 - the base class names it so
        """Write a line to the app's log; what a client sent cannot reach a terminal's controls."""
        client = self.headers.get("X-Forwarded-For") if hasattr(self, "headers") else None
        line = f"{client or self.address_string()} {format % values}"
        sys.stdout.write("".join(letter if letter.isprintable() else "?" for letter in line) + "\n")
        sys.stdout.flush()


def _local(path: str) -> str:
    """Return a path that no browser takes for another host's, as it would //host."""
    return "/" + quote(unquote(path, errors="replace").strip("/"))


def _type(path: Path) -> str:
    kind = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind in WITH_CHARSET else kind


class Server(ThreadingHTTPServer):
    """Counts what it is answering, so that it can stop between answers."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], site: Site) -> None:
        super().__init__(address, Handler)
        self.site = site
        self.stopping = threading.Event()
        self._idle = threading.Condition()
        self._answering = 0

    def busy(self) -> "Busy":
        """Return a block in which an answer is under way."""
        return Busy(self)

    def count(self, change: int) -> None:
        """Note that an answer began or ended."""
        with self._idle:
            self._answering += change
            self._idle.notify_all()

    def drain(self) -> None:
        """Wait until nothing is being answered."""
        with self._idle:
            self._idle.wait_for(lambda: self._answering == 0, GRACE_S)

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:  # noqa: ANN401 - the base class's
        """Be silent about readers who went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


@dataclass(frozen=True)
class Busy:
    """An answer under way."""

    server: Server

    def __enter__(self) -> None:
        self.server.count(1)

    def __exit__(self, *_: object) -> None:
        self.server.count(-1)


def main() -> None:
    """Serve until SIGTERM, then finish what is being answered."""
    here = Path(__file__).resolve().parent
    settings = json.loads((here / "site.json").read_text())
    site = Site(**{**settings, "root": (here.parent.parent / settings["root"]).resolve()})
    server = Server(("0.0.0.0", int(os.environ["PORT"])), site)  # noqa: S104 - a dyno's own network

    def stop(*_: object) -> None:
        server.stopping.set()
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    server.drain()


if __name__ == "__main__":
    main()
