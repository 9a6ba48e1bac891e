"""Python interpreters, by uv: from python-build-standalone, or from a mirror with the same layout.

A mirror may have its own index next to the releases, in the format of uv's download-metadata.json
(https://docs.astral.sh/uv/reference/environment/#uv_python_downloads_json_url). Without an index, uv's own digests apply.
"""

import asyncio
import json
import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.runtime import Runtime
from skypanel.drivers.runtimes import mirror
from skypanel.host.programs import PROGRAMS

LANGUAGE = "python"
INDEX = "download-metadata.json"
FETCH_S = 600
_RELEASES = "/releases/download/"
_LIST = ("python", "list", "--only-downloads", "--all-versions", "--output-format", "json")
_LAST_LINES = 2


async def offered(base: str) -> dict[str, Runtime]:
    """Return the runtimes of a mirror, or of uv's own source without one, by version. Raises Unavailable."""
    if base:
        try:
            return _indexed(json.loads(await mirror.text(f"{base}/python/{INDEX}")), f"{base}/python")
        except NotFound:
            pass
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable(f"{base}/python/{INDEX} is not an index of uv.", "Ask an administrator of this panel to fix it.") from error
    listed = json.loads(await _uv({}, *_LIST))
    found = {entry["version"]: entry["url"] for entry in listed if _is_wanted(entry)}
    return {version: Runtime(LANGUAGE, version, _moved(url, f"{base}/python") if base else url) for version, url in found.items()}


async def fetch(runtime: Runtime, folder: Path, base: str) -> None:
    """Write the files from which uv in a build installs the runtime to a folder, and check the digest. Raises Unavailable."""
    variables = {"UV_PYTHON_CACHE_DIR": str(folder)}
    if runtime.sha256 is not None:
        (folder / INDEX).write_text(json.dumps(_entry(runtime)))
        variables["UV_PYTHON_DOWNLOADS_JSON_URL"] = str(folder / INDEX)
    elif base:
        variables["UV_PYTHON_INSTALL_MIRROR"] = _as_url(f"{base}/python")
    trial = folder / "trial"
    try:
        await _uv(variables, "python", "install", "--no-bin", "--install-dir", str(trial), _key(runtime.version))
    finally:
        await asyncio.to_thread(shutil.rmtree, trial, ignore_errors=True)
        await asyncio.to_thread(shutil.rmtree, folder / ".temp", ignore_errors=True)


def _is_wanted(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of uv's list is a final release of the default build for this machine."""
    return bool(entry["key"] == _key(entry["version"]) and entry["version"].replace(".", "").isdigit())


def _indexed(index: Mapping[str, Any], base: str) -> dict[str, Runtime]:
    found = {}
    for key, entry in index.items():
        version = f"{entry['major']}.{entry['minor']}.{entry['patch']}"
        if key == _key(version) and not entry.get("prerelease"):
            found[version] = Runtime(LANGUAGE, version, _moved(entry["url"], base), str(entry["sha256"]))
    return found


def _moved(url: str, base: str) -> str:
    """Return the location on a mirror of a release's archive."""
    return f"{base}/{url.partition(_RELEASES)[2] or url.rpartition('/')[2]}" if "://" in url else f"{base}/{url}"


def _entry(runtime: Runtime) -> dict[str, Any]:
    major, minor, patch = map(int, runtime.version.split("."))
    return {
        _key(runtime.version): {
            "name": "cpython",
            "arch": {"family": platform.machine(), "variant": None},
            "os": "linux",
            "libc": "gnu",
            "major": major,
            "minor": minor,
            "patch": patch,
            "prerelease": "",
            "url": _as_url(runtime.url),
            "sha256": runtime.sha256,
            "variant": None,
            "build": None,
        }
    }


def _key(version: str) -> str:
    return f"cpython-{version}-linux-{platform.machine()}-gnu"


def _as_url(place: str) -> str:
    return f"file://{quote(place, safe='/%')}" if mirror.is_folder(place) else place


async def _uv(variables: Mapping[str, str], *arguments: str) -> str:
    """Return what uv prints. Raises Unavailable with the reason that uv gives."""
    keep = {name: value for name, value in os.environ.items() if name in _KEPT}
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAMS / "uv"), *arguments, "--no-config", "--no-progress", "--no-cache", "--system-certs"),
        env={**keep, "HOME": "/nonexistent", "UV_PYTHON_DOWNLOADS": "manual", "NO_COLOR": "1", **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(FETCH_S):
            said, complaints = await process.communicate()
    except TimeoutError:
        raise Unavailable(f"The network failed: the download took longer than {FETCH_S} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise Unavailable(_why(complaints.decode(errors="replace")))
    return said.decode()


_KEPT = (
    *("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *(name for each in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (each, each.lower())),
)


def _why(complaints: str) -> str:
    """Return the reason of a failed installation, from uv's stderr."""
    lines = [line.strip().removeprefix("cause: ") for line in complaints.splitlines() if line.strip()]
    if any("Hash mismatch" in line for line in lines):
        return "It is not the file in its index: the SHA-256 differs."
    if any("404 Not Found" in line or "No such file" in line for line in lines):
        return f"It is not there: {' '.join(lines[-_LAST_LINES:])}"
    return f"The network failed: {lines[-1] if lines else 'uv said nothing'}"
