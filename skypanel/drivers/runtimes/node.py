"""Node.js from a mirror with the layout of nodejs.org/dist. Without a mirror, builds get it through npm."""

import json
import platform
from pathlib import Path

from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.runtime import Runtime
from skypanel.drivers.runtimes import mirror

LANGUAGE = "nodejs"
_ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}


async def offered(base: str) -> dict[str, Runtime]:
    """Return the runtimes of a mirror by version; none without a mirror. Raises Unavailable."""
    if not base:
        return {}
    try:
        listed = json.loads(await mirror.text(f"{base}/node/index.json"))
        versions = [entry["version"] for entry in listed if _build() in entry["files"]]
    except NotFound:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"{base}/node/index.json is not an index of Node.js.", "Ask an administrator of this panel to fix it.") from error
    return {version.removeprefix("v"): Runtime(LANGUAGE, version.removeprefix("v"), _archive(base, version)) for version in versions}


async def fetch(runtime: Runtime, folder: Path, _base: str) -> None:
    """Download the archive to a folder, and check its digest against the mirror's list. Raises NotFound, Unavailable."""
    release, _, name = runtime.url.rpartition("/")
    sums = await mirror.text(f"{release}/SHASUMS256.txt")
    digests = {words[1]: words[0] for line in sums.splitlines() if len(words := line.split()) == 2}  # noqa: PLR2004 - digest and name
    if name not in digests:
        raise Unavailable(f"{release}/SHASUMS256.txt has no digest of {name}.")
    await mirror.download(runtime.url, digests[name], folder / "node.tar.gz")


def _archive(base: str, version: str) -> str:
    return f"{base}/node/{version}/node-{version}-{_build()}.tar.gz"


def _build() -> str:
    return f"linux-{_ARCHITECTURES.get(platform.machine(), platform.machine())}"
