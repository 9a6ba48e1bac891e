"""A received pack: stored in a folder of its own, and indexed by C git under the limits of a push."""

import asyncio
import os
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from dulwich.repo import Repo

from skypanel.domain.errors import Invalid
from skypanel.domain.limits import GIB
from skypanel.domain.names import printable
from skypanel.drivers.ended import ended
from skypanel.drivers.git.repositories import FETCHED, held

MEMORY_BYTES = GIB
CPU_S = 5 * 60
# Old and harmless faults of real histories; pushes may have them too.
FORGIVEN = ("zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate")
SETTINGS = ("core.bigFileThreshold=8m", "core.packedGitWindowSize=32m", "core.packedGitLimit=256m", "pack.threads=2", "safe.directory=*")
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}
PACK = "received.pack"


@asynccontextmanager
async def folder(root: Path) -> AsyncIterator[Path]:
    """Make a bare repository for one pack under `root`, for the length of the block. The sweep does not delete it meanwhile."""
    made = await asyncio.to_thread(_make, root)
    try:
        with held(made):
            yield made
    finally:
        await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)


def _make(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    made = tempfile.mkdtemp(prefix=FETCHED, dir=root)
    Repo.init_bare(made).close()
    return Path(made)


def objects(folder: Path) -> str:
    """Return the folder of its objects."""
    return str(folder / "objects")


async def index(folder: Path, shallow: Iterable[str]) -> None:
    """Check and index the received pack with git. `shallow` are the commits whose parents were not sent.

    Raises Invalid for a pack that git rejects.
    """
    (folder / "shallow").write_text("".join(f"{commit}\n" for commit in shallow))
    with (folder / PACK).open("rb") as pack:
        process = await asyncio.create_subprocess_exec(
            *argv(folder), stdin=pack, stdout=DEVNULL, stderr=PIPE, env=ENVIRONMENT, start_new_session=True
        )
    async with ended(process):
        _, errors = await process.communicate()
    if process.returncode:
        raise Invalid(f"Git rejects what the repository sent: {_reason(errors)}.", "Clone it and check it with `git fsck`.")


def argv(folder: Path) -> tuple[str, ...]:
    """Return the command that indexes a pack from its stdin."""
    settings = (part for setting in SETTINGS for part in ("-c", setting))
    strict = ",".join(f"{fault}=ignore" for fault in FORGIVEN)
    bounds = ("prlimit", f"--as={MEMORY_BYTES}", f"--cpu={CPU_S}", "--core=0")
    return (*bounds, "git", *settings, f"--git-dir={folder}", "index-pack", "--stdin", f"--strict={strict}")


def _reason(errors: bytes) -> str:
    """Return the most specific line: the first error, otherwise the fatal message."""
    lines = [line.partition(": ") for line in errors.decode(errors="replace").splitlines()]
    words = {kind: text for kind, _, text in reversed(lines)}
    found = words.get("error") or words.get("fatal")
    return printable(found, 200) if found else "it took too much memory or time"
