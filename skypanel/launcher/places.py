"""Where the launcher keeps files. The owners of the surrounding folders cannot redirect it."""

# ruff: noqa: ASYNC240 - short calls on local file systems

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from skypanel.domain.ids import AppId
from skypanel.host.commands import call
from skypanel.host.programs import PROGRAMS
from skypanel.launcher.spreading import spread

OWN = "launcher"
OWN_FOLDERS = ("slugs", "caches", "disks", "state", "tools")
# Programs that builds find in /tools.
TOOLS = ("uv",)
_REACHABLE = 0o711


@dataclass(frozen=True)
class Places:
    """Folders under `base`, a file system that only this launcher's mount namespace has.

    Folders of the home are bind-mounted into it once, so renaming or replacing them later changes nothing here.
    A sandbox's user id can traverse `base`, wherever the home is. By the home's own paths only their owners reach them.
    """

    base: Path

    @property
    def mounts(self) -> Path:
        """Where disks are mounted."""
        return self.base / "mounts"

    @property
    def images(self) -> Path:
        """Where the images of disks are kept."""
        return self.base / "disks"

    @property
    def logs(self) -> Path:
        """Where the output of dynos is stored."""
        return self.base / "logs"

    @property
    def buildpacks(self) -> Path:
        """The installed buildpacks."""
        return self.base / "buildpacks"

    @property
    def tools(self) -> Path:
        """Additional programs for builds."""
        return self.base / "tools"

    @property
    def next_slot(self) -> Path:
        """The file of the counter of network slots."""
        return self.base / "state" / "next-slot"

    def slugs(self, app_id: AppId) -> Path:
        """Where an app's slugs are extracted."""
        return self.base / "slugs" / str(app_id)

    def slug(self, app_id: AppId, digest: str) -> Path:
        """Where one slug is extracted."""
        return self.slugs(app_id) / digest

    def cache(self, app_id: AppId) -> Path:
        """Where an app's build cache is kept."""
        return self.base / "caches" / str(app_id)


async def open_places(home: Path, base: Path, buildpacks: Path, panel: int) -> Places:
    """Mount the places. The caller must be in a mount namespace of its own. The panel may read and write the logs.

    Raises CommandFailed, OSError.
    """
    places = Places(base)
    with _own_folder(home / OWN) as own:
        await call(("mount", "-t", "tmpfs", "-o", "mode=0711,nosuid,nodev,size=64m", "skypanel", str(base)))
        for name in OWN_FOLDERS:
            await _pin(own / name, base / name, os.geteuid())
            spread(base / name)
        await _pin(home / "logs", base / "logs", panel)
    places.mounts.mkdir(mode=_REACHABLE)
    _copy_buildpacks(buildpacks, places.buildpacks)
    _copy_tools(PROGRAMS, places.tools)
    return places


@contextmanager
def _own_folder(path: Path) -> Iterator[Path]:
    """Yield a path to a folder that only the launcher owns. It stays valid if another folder takes its place."""
    path.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            sys.exit(f"{path} is not the launcher's own. Delete it: the launcher recreates its content.")
        os.fchmod(descriptor, 0o700)
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


async def _pin(source: Path, target: Path, owner: int) -> None:
    """Bind-mount the folder that `source` is now. A symbolic link raises OSError."""
    target.mkdir()
    source.mkdir(mode=_REACHABLE, exist_ok=True)
    descriptor = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(descriptor, owner, owner)
        os.fchmod(descriptor, _REACHABLE)
        await call(("mount", "--no-canonicalize", "--bind", f"/proc/{os.getpid()}/fd/{descriptor}", str(target)))
    finally:
        os.close(descriptor)


def _copy_buildpacks(source: Path, target: Path) -> None:
    """Copy the buildpacks with modes that let every sandbox read them."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _copy_tools(source: Path, target: Path) -> None:
    """Copy the programs to where every sandbox can run them. Programs that are already there stay."""
    for name in TOOLS:
        program, kept = (source / name).stat(), target / name
        if kept.exists() and (kept.stat().st_size, kept.stat().st_mtime_ns) == (program.st_size, program.st_mtime_ns):
            continue
        part = target / f"{name}.part"
        shutil.copy2(source / name, part)
        part.chmod(0o755)
        part.rename(kept)
