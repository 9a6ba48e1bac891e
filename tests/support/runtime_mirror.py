"""A mirror of language runtimes for tests, in the real layouts, made from this machine's interpreters.

It is made once per machine. Its Pythons are pyenv's, or else the stack's own with the version number of its next patch.
"""

import fcntl
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.support.stack_images import CACHE

# Increment this when the contents change.
EDITION = 2
RELEASE = "20260101"
NODE = "18.20.8"
MACHINE = platform.machine()
STACK_PYTHON = Path("/usr/bin/python3").resolve()
LEFT_OUT = re.compile(r"/(site-packages|__pycache__|test|tests|idlelib|tkinter|config-[^/]*|turtledemo)(/|$)|\.a$")


@dataclass(frozen=True)
class Mirror:
    """A mirror's folder, and its versions, newest first."""

    folder: Path

    @property
    def pythons(self) -> list[str]:
        index = json.loads((self.folder / "python" / "download-metadata.json").read_text())
        numbers = [(entry["major"], entry["minor"], entry["patch"]) for entry in index.values()]
        return [".".join(map(str, number)) for number in sorted(numbers, reverse=True)]

    @property
    def nodes(self) -> list[str]:
        return [entry["version"].removeprefix("v") for entry in json.loads((self.folder / "node" / "index.json").read_text())]

    def copied_to(self, folder: Path) -> "Mirror":
        """Return a copy that a test may modify."""
        return Mirror(Path(shutil.copytree(self.folder, folder)))


@dataclass
class Served:
    """A mirror on a loopback address, with the paths of its requests."""

    url: str
    asked: list[str] = field(default_factory=list)

    def archives(self) -> list[str]:
        return [path for path in self.asked if path.endswith(".tar.gz")]


def runtime_mirror() -> Mirror:
    """Return this machine's mirror, made if it is missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / f"runtimes-{EDITION}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as part:
                _make_pythons(Path(part, "runtimes", "python"))
                _make_nodes(Path(part, "runtimes", "node"))
                Path(part, "runtimes").rename(folder)
    return Mirror(folder)


@contextmanager
def serving(mirror: Mirror) -> Iterator[Served]:
    served = Served("")

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            served.asked.append(self.path)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(mirror.folder)))
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _make_pythons(folder: Path) -> None:
    index = {}
    for version, prefix in _pythons().items():
        major, minor, patch = map(int, version.split("."))
        name = f"cpython-{version}+{RELEASE}-{MACHINE}-unknown-linux-gnu-install_only_stripped.tar.gz"
        archive = folder / RELEASE / name
        archive.parent.mkdir(parents=True, exist_ok=True)
        _pack_python(prefix, f"{major}.{minor}", archive)
        index[f"cpython-{version}-linux-{MACHINE}-gnu"] = {
            "name": "cpython",
            "arch": {"family": MACHINE, "variant": None},
            "os": "linux",
            "libc": "gnu",
            "major": major,
            "minor": minor,
            "patch": patch,
            "prerelease": "",
            "url": f"https://github.com/astral-sh/python-build-standalone/releases/download/{RELEASE}/{name.replace('+', '%2B')}",
            "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
            "variant": None,
            "build": RELEASE,
        }
    (folder / "download-metadata.json").write_text(json.dumps(index))


def _pythons() -> dict[str, Path]:
    """Return the prefixes of interpreters by version."""
    found = {}
    for prefix in Path("~/.pyenv/versions").expanduser().glob("3.1[2-9].*"):
        found[prefix.name] = prefix
    if not found:
        said = subprocess.run(
            [STACK_PYTHON, "-c", "import platform; print(platform.python_version())"], check=True, capture_output=True, text=True
        )
        minor, _, patch = said.stdout.strip().rpartition(".")
        found[f"{minor}.{int(patch) + 1}"] = Path("/usr")
    return found


def _pack_python(prefix: Path, minor: str, archive: Path) -> None:
    name = f"python{minor}"
    with tempfile.TemporaryDirectory() as copies, tarfile.open(archive, "w:gz", compresslevel=1) as target:
        for path in (prefix / "lib" / name, *(prefix / "lib").glob(f"libpython{minor}.so*"), prefix / "include" / name):
            if path.exists():
                own = path.relative_to(prefix)
                target.add(_stripped(path, Path(copies, own)), f"python/{own}", filter=_kept)
        # so that it finds its library after it is moved
        body = (prefix / "bin" / name).read_bytes()
        home = os.fsencode(f"{prefix}/lib\0")
        _add(target, f"python/bin/{name}", body.replace(home, b"$ORIGIN/../lib".ljust(len(home), b"\0")))
        for link in ("python", "python3"):
            entry = tarfile.TarInfo(f"python/bin/{link}")
            entry.type, entry.linkname = tarfile.SYMTYPE, name
            target.addfile(entry)


def _stripped(path: Path, copy: Path) -> Path:
    """Return a copy without debugging symbols, which are three quarters of a pyenv's Python: each build would pack them."""
    copy.parent.mkdir(exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, copy, symlinks=True, ignore=shutil.ignore_patterns("site-packages", "test"))
    else:
        shutil.copy2(path, copy, follow_symlinks=False)
    libraries = [found for found in (copy, *copy.rglob("*")) if ".so" in found.name and found.is_file() and not found.is_symlink()]
    if libraries and (strip := shutil.which("strip")):
        subprocess.run([strip, "--strip-unneeded", *libraries], check=True)
    return copy


def _make_nodes(folder: Path) -> None:
    build = {"x86_64": "x64", "aarch64": "arm64"}[MACHINE]
    release = folder / f"v{NODE}"
    release.mkdir(parents=True)
    packed = subprocess.run(
        ["npm", "pack", "--silent", f"node-linux-{build}@{NODE}"], cwd=release, check=True, capture_output=True, text=True
    ).stdout.strip()
    with tarfile.open(release / packed) as package:
        body = package.extractfile("package/bin/node").read()
    (release / packed).unlink()
    name = f"node-v{NODE}-linux-{build}"
    archive = release / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as target:
        _add(target, f"{name}/bin/node", body)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (release / "SHASUMS256.txt").write_text(f"{digest}  {archive.name}\n")
    (folder / "index.json").write_text(json.dumps([{"version": f"v{NODE}", "files": [f"linux-{build}", "src"]}]))


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if LEFT_OUT.search(f"/{entry.name}") else entry


def _add(target: tarfile.TarFile, name: str, body: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = 0o755, len(body)
    target.addfile(entry, io.BytesIO(body))
